import orjson
import pytest

from services.common.errors import (
    ExhaustedError,
    ImageragError,
    UnauthenticatedError,
    UnavailableError,
    error_classes,
    rebuild,
)
from services.gateway.problems import MEDIA_TYPE, http_problem, problem_of, validation_problem

MEMBERS = {"type", "title", "status", "detail", "code", "retryable", "request_id"}


@pytest.mark.parametrize("code", sorted(error_classes()))
def test_every_error_of_the_tree_has_its_document(code: str) -> None:
    error = rebuild(code, "what to do about it")
    response = problem_of(error).response()
    document = orjson.loads(response.body)
    assert set(document) == MEMBERS
    assert document["code"] == code
    assert document["status"] == response.status_code >= 400
    assert response.media_type == MEDIA_TYPE


def test_an_unknown_error_keeps_its_text() -> None:
    document = problem_of(ValueError("password=hunter2")).document()
    assert "hunter2" not in str(document)
    assert (document["status"], document["code"]) == (500, "internal")


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (UnavailableError("down", retry_after_s=7.2), "8"),
        (UnavailableError("down"), "5"),
        (ExhaustedError("full", retry_after_s=0.01), "1"),
    ],
)
def test_when_to_come_back(error: ImageragError, header: str) -> None:
    assert problem_of(error).response().headers["retry-after"] == header


def test_a_missing_key_names_the_scheme() -> None:
    response = problem_of(UnauthenticatedError("no key")).response()
    assert response.headers["www-authenticate"] == "Bearer"
    assert "retry-after" not in response.headers


def test_mistakes_are_listed_without_what_was_sent() -> None:
    mistakes = [{"loc": ("body", "limit"), "msg": "too large", "input": "secret"}] * 50
    document = validation_problem(mistakes).document()
    assert document["detail"] == "body.limit: too large"
    assert len(document["errors"]) == 20
    assert "secret" not in str(document)


@pytest.mark.parametrize(
    ("status", "code"), [(404, "not_found"), (405, "method_not_allowed"), (400, "invalid_request")]
)
def test_errors_of_http_itself(status: int, code: str) -> None:
    assert http_problem(status).document()["code"] == code
