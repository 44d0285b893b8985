import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from services.common.jobs.records import Job
from tests.fixtures.gateway import RunningGateway, drawn_picture, running_gateway, stored_picture


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path / "data") as running:
        yield running


async def work_once(gateway: RunningGateway, fail: tuple[str, ...] = ()) -> Job:
    """Do the next accepted job."""
    while True:
        for tenant, job_id in gateway.ledger.open_jobs():
            job = gateway.ledger.job(tenant, job_id)
            gateway.work(job, fail)
            return job
        await asyncio.sleep(0.01)


async def test_a_picture_goes_in_and_comes_back(gateway: RunningGateway) -> None:
    draft = {"title": "Red dress", "tags": ["dress"], "metadata": {"price": 299}, "key": "sku-1"}
    working = asyncio.create_task(work_once(gateway))
    answer = await gateway.client.post(
        "/v1/items?wait_s=10",
        files={"image": ("dress.png", drawn_picture(1), "image/png"), "item": (None, json.dumps(draft))},
    )
    job = await working
    assert answer.status_code == 201
    assert answer.json()["status"] == "stored"
    assert answer.json()["job_id"] == job.id
    assert job.queue == "interactive"
    item = (await gateway.client.get(f"/v1/items/{answer.json()['id']}")).json()
    assert item["title"] == "Red dress"
    assert item["metadata"] == {"price": 299}
    assert (item["media"]["width"], item["media"]["mime"]) == (320, "image/png")
    assert item["ingested_at"].endswith("Z")


async def test_without_waiting_it_is_accepted(gateway: RunningGateway) -> None:
    answer = await gateway.client.post("/v1/items", json={"text": "A passage about cats."})
    assert answer.status_code == 202
    job = gateway.ledger.job("default", answer.json()["job_id"])
    assert gateway.ledger.lines(job, 0, 1)[0].text == "A passage about cats."
    gateway.work(job)
    item = await gateway.client.get(f"/v1/items/{answer.json()['id']}")
    assert item.json()["kind"] == "text"
    assert item.json()["image_url"] is None


async def test_waiting_ends_when_it_is_over(gateway: RunningGateway) -> None:
    answer = await gateway.client.post("/v1/items?wait_s=0.2", json={"title": "slow"})
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")


async def test_a_failed_item_says_why(gateway: RunningGateway) -> None:
    working = asyncio.create_task(work_once(gateway, fail=("bad.png",)))
    answer = await gateway.client.post(
        "/v1/items?wait_s=10", files={"image": ("bad.png", drawn_picture(2), "image/png")}
    )
    job = await working
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "image_truncated"
    assert answer.json()["job_id"] == job.id


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "image_empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "image_format"),
        (b"\x89PNG\r\n\x1a\n", 422, "image_truncated"),
        (b"GIF89a", 422, "image_truncated"),
    ],
)
async def test_a_bad_picture_is_refused_before_it_is_accepted(
    gateway: RunningGateway, data: bytes, status: int, code: str
) -> None:
    answer = await gateway.client.post("/v1/items", files={"image": ("x.jpg", data, "image/jpeg")})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert gateway.ledger.jobs("default", 10) == []


async def test_a_bomb_is_refused_by_its_header(gateway: RunningGateway) -> None:
    buffer = io.BytesIO()
    Image.new("1", (13_000, 13_000)).save(buffer, "PNG")
    answer = await gateway.client.post("/v1/items", files={"image": ("x.png", buffer.getvalue(), "image/png")})
    assert (answer.status_code, answer.json()["code"]) == (413, "image_too_large")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "part 'image'"),
        ({"title": 3}, "title"),
        ({"titel": "x"}, "titel"),
        ({"text": "x", "metadata": []}, "metadata"),
    ],
)
async def test_a_wrong_body_is_explained(gateway: RunningGateway, body: object, where: str) -> None:
    answer = await gateway.client.post("/v1/items", json=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"
    assert where in answer.json()["detail"]


async def test_a_misspelt_part_is_named(gateway: RunningGateway) -> None:
    answer = await gateway.client.post("/v1/items", files={"picture": ("x.png", drawn_picture(1))})
    assert answer.status_code == 422
    assert "picture" in answer.json()["detail"]


async def test_an_unknown_kind_of_body_is_refused(gateway: RunningGateway) -> None:
    answer = await gateway.client.post("/v1/items", content=b"a=1", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_delete(gateway: RunningGateway) -> None:
    item = stored_picture(gateway, "cat", 1)
    assert (await gateway.client.delete(f"/v1/items/{item.id}")).status_code == 204
    assert (await gateway.client.delete(f"/v1/items/{item.id}")).status_code == 404
    assert (await gateway.client.get(f"/v1/items/{item.id}")).json()["code"] == "not_found"


@pytest.mark.parametrize("item_id", ["nonsense", "..%2F..%2Fetc", "0" * 300])
async def test_what_is_no_id_names_nothing(gateway: RunningGateway, item_id: str) -> None:
    assert (await gateway.client.get(f"/v1/items/{item_id}")).status_code == 404


async def test_thumbnails_are_made_once_and_cached(gateway: RunningGateway) -> None:
    item = stored_picture(gateway, "cat", 1, picture={"width": 1600, "height": 800, "file_format": "JPEG"})
    url = f"/v1/items/{item.id}/image?size=256"
    answer = await gateway.client.get(url)
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "private" in answer.headers["cache-control"]
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (256, 128)
    assert item.media is not None
    assert gateway.media.get_thumbnail("default", item.media.sha256, 256) == answer.content
    again = await gateway.client.get(url, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await gateway.client.get(url.replace("256", "512"))
    assert other.headers["etag"] != answer.headers["etag"]


async def test_the_full_picture_has_no_metadata(gateway: RunningGateway) -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "taken at a secret place"
    Image.new("RGB", (64, 32), "teal").save(buffer, "JPEG", exif=exif)
    kept = await gateway.client.put("/v1/media", content=buffer.getvalue())
    job = await gateway.client.post("/v1/jobs", json={"items": [{"sha256": kept.json()["sha256"], "key": "k"}]})
    gateway.work(gateway.ledger.job("default", job.json()["job_id"]))
    (item_id,) = gateway.items.of("default")
    answer = await gateway.client.get(f"/v1/items/{item_id}/image")
    assert answer.headers["content-type"] == "image/jpeg"
    assert b"secret place" in buffer.getvalue()
    assert b"secret place" not in answer.content


@pytest.mark.parametrize("size", ["300", "0", "-1", "1e9", "x"])
async def test_only_the_kept_sizes_are_made(gateway: RunningGateway, size: str) -> None:
    item = stored_picture(gateway, "cat", 1)
    assert (await gateway.client.get(f"/v1/items/{item.id}/image?size={size}")).status_code == 422


async def test_media(gateway: RunningGateway) -> None:
    data = drawn_picture(3)
    put = await gateway.client.put("/v1/media", content=data)
    assert put.status_code == 201
    assert put.json()["mime"] == "image/png"
    assert (await gateway.client.head(f"/v1/media/{put.json()['sha256']}")).status_code == 200
    assert (await gateway.client.head(f"/v1/media/{'0' * 64}")).status_code == 404
    assert (await gateway.client.put("/v1/media", content=b"not a picture")).json()["code"] == "image_format"
