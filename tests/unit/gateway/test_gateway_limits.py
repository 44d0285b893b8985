import pytest

from services.gateway.limits import BodyLimits

LIMITS = BodyLimits(
    json_bytes=1, item_list_bytes=20, picture_bytes=300, upload_bytes=4000, file_bytes=50_000, grace_s=10
)


@pytest.mark.parametrize(
    ("method", "path", "content_type", "limit"),
    [
        ("POST", "/v1/search", "application/json", 1),
        ("POST", "/v1/items", "application/json; charset=utf-8", 1),
        ("POST", "/v1/jobs", "application/json", 20),
        ("PUT", "/v1/media", "image/jpeg", 300),
        ("POST", "/v1/media", "image/jpeg", 1),
        ("PUT", "/v1/uploads", "application/pdf", 50_000),
        ("POST", "/v1/uploads", "application/pdf", 1),
        ("POST", "/v1/jobs", "multipart/form-data; boundary=x", 4000),
        ("GET", "/", "", 1),
        ("POST", "/v1/jobs/x/cancel", "multipart/form-data; boundary=x", 300 + 1 + 64 * 1024),
        ("POST", "/v1/search", "Multipart/Form-Data; boundary=x", 300 + 1 + 64 * 1024),
    ],
)
def test_the_limit_follows_what_the_body_is(method: str, path: str, content_type: str, limit: int) -> None:
    assert LIMITS.of(method, path, content_type) == limit
