import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from services.common.jobs.records import JobOptions
from tests.fixtures.gateway import RunningGateway, drawn_picture, running_gateway


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    roots = tmp_path / "photos"
    roots.mkdir()
    async with running_gateway(tmp_path / "data", source_roots=str(roots), upload_files=5) as running:
        yield running


def upload(*pictures: tuple[str, bytes], **said: object) -> list[tuple[str, tuple[str | None, bytes]]]:
    """A form of pictures; what is said about them (`items`, `options`) goes as JSON."""
    parts: list[tuple[str, tuple[str | None, bytes]]] = [("files", picture) for picture in pictures]
    return [*parts, *((name, (None, json.dumps(value).encode())) for name, value in said.items())]


async def test_pictures_become_a_job_and_bad_ones_are_named(gateway: RunningGateway) -> None:
    parts = upload(
        ("a.png", drawn_picture(1)),
        ("b.png", drawn_picture(2)),
        ("c.svg", b"<svg/>"),
        items=[{"name": "a.png", "title": "First", "tags": ["x"]}],
    )
    answer = await gateway.client.post("/v1/jobs", files=parts)
    assert answer.status_code == 202
    assert answer.json()["total"] == 2
    assert [(entry["name"], entry["code"]) for entry in answer.json()["rejected"]] == [("c.svg", "image_format")]
    job = gateway.ledger.job("default", answer.json()["job_id"])
    assert [(line.name, line.title, line.tags) for line in gateway.ledger.lines(job, 0, 2)] == [
        ("a.png", "First", ("x",)),
        ("b.png", "", ()),
    ]


async def test_progress_and_failures_can_be_read(gateway: RunningGateway) -> None:
    pictures = [(f"{number}.png", drawn_picture(number)) for number in range(4)]
    job_id = (await gateway.client.post("/v1/jobs", files=upload(*pictures))).json()["job_id"]
    before = (await gateway.client.get(f"/v1/jobs/{job_id}")).json()
    assert (before["state"], before["pending"], before["closed_at"]) == ("running", 4, None)
    job = gateway.ledger.job("default", job_id)
    gateway.work(job, fail=("1.png", "3.png"))
    gateway.ledger.close(job)
    after = (await gateway.client.get(f"/v1/jobs/{job_id}")).json()
    assert (after["state"], after["stored"], after["failed"], after["pending"]) == ("done", 2, 2, 0)
    first = (await gateway.client.get(f"/v1/jobs/{job_id}/failures?limit=1")).json()
    assert [(entry["name"], entry["code"]) for entry in first["failures"]] == [("1.png", "image_truncated")]
    rest = (await gateway.client.get(f"/v1/jobs/{job_id}/failures?limit=1&after={first['next']}")).json()
    assert [entry["name"] for entry in rest["failures"]] == ["3.png"]
    assert rest["next"] is None


async def test_items_by_digest(gateway: RunningGateway) -> None:
    sha256 = (await gateway.client.put("/v1/media", content=drawn_picture(5))).json()["sha256"]
    items = [
        {"sha256": sha256, "name": "here"},
        {"sha256": "0" * 64, "name": "gone"},
        {"text": "words alone"},
        {"name": "empty"},
    ]
    answer = (await gateway.client.post("/v1/jobs", json={"items": items})).json()
    assert answer["total"] == 2
    assert [(entry["name"], entry["code"]) for entry in answer["rejected"]] == [
        ("gone", "not_found"),
        ("empty", "invalid_request"),
    ]


async def test_a_folder_on_the_server(gateway: RunningGateway, tmp_path: Path) -> None:
    folder = tmp_path / "photos" / "summer"
    folder.mkdir()
    (folder / "a.png").write_bytes(drawn_picture(1))
    (folder / "notes.txt").write_text("not a picture")
    answer = await gateway.client.post("/v1/jobs", json={"source": {"type": "folder", "path": str(folder)}})
    assert (answer.status_code, answer.json()["listed"]) == (202, False)
    job = (await gateway.client.get(f"/v1/jobs/{answer.json()['job_id']}")).json()
    assert job["source"] == {"type": "folder", "path": str(folder)}
    assert (job["state"], job["total"], job["listed"]) == ("running", 0, False)


async def test_a_folder_that_is_not_there(gateway: RunningGateway, tmp_path: Path) -> None:
    missing = {"type": "folder", "path": str(tmp_path / "photos" / "winter")}
    answer = await gateway.client.post("/v1/jobs", json={"source": missing})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_folder_outside_the_roots(gateway: RunningGateway) -> None:
    answer = await gateway.client.post("/v1/jobs", json={"source": {"type": "folder", "path": "/etc"}})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "IMAGERAG_SOURCE_ROOTS" in answer.json()["detail"]


@pytest.mark.parametrize("body", [{}, {"items": [{"text": "x"}], "source": {"type": "folder", "path": "/x"}}])
async def test_either_items_or_a_source(gateway: RunningGateway, body: object) -> None:
    answer = await gateway.client.post("/v1/jobs", json=body)
    assert answer.status_code == 422
    assert "either" in answer.json()["detail"]


async def test_nothing_usable_makes_no_job(gateway: RunningGateway) -> None:
    answer = await gateway.client.post("/v1/jobs", files=upload(("x.png", b"nonsense")))
    assert (answer.status_code, answer.json()["code"]) == (422, "nothing_accepted")
    assert answer.json()["rejected"][0]["name"] == "x.png"
    refused = {"transport": "http", "method": "POST /v1/jobs", "outcome": "nothing_accepted"}
    assert REGISTRY.get_sample_value("imagerag_calls_total", refused)
    assert gateway.ledger.jobs("default", 1) == []


async def test_too_many_files(gateway: RunningGateway) -> None:
    pictures = [(f"{number}.png", b"x") for number in range(8)]
    answer = await gateway.client.post("/v1/jobs", files=upload(*pictures))
    assert answer.status_code == 422
    assert "Too many files" in answer.json()["detail"]


async def test_jobs_are_listed_newest_first_and_can_be_cancelled(gateway: RunningGateway) -> None:
    ids = [
        (await gateway.client.post("/v1/jobs", json={"items": [{"text": str(number)}]})).json()["job_id"]
        for number in range(3)
    ]
    listed = (await gateway.client.get("/v1/jobs?limit=2")).json()["jobs"]
    assert [job["id"] for job in listed] == [ids[2], ids[1]]
    cancelled = (await gateway.client.post(f"/v1/jobs/{ids[0]}/cancel")).json()
    assert cancelled["state"] == "cancelled"


@pytest.mark.parametrize("job_id", ["unknown", "..", "a%2Fb", "x" * 200])
async def test_an_unknown_job(gateway: RunningGateway, job_id: str) -> None:
    assert (await gateway.client.get(f"/v1/jobs/{job_id}")).status_code == 404
    assert (await gateway.client.get(f"/v1/jobs/{job_id}/failures")).status_code == 404


OPTIONS = {
    "columns": {"title": "product_name"},
    "ocr": True,
    "captions": False,
    "tags": True,
    "duplicates": "link",
    "near_duplicates": "skip",
}


@pytest.mark.parametrize("way", ["items", "source", "form"])
async def test_options_are_kept_with_the_job_and_shown(gateway: RunningGateway, tmp_path: Path, way: str) -> None:
    source = {"type": "folder", "path": str(tmp_path / "photos")}
    if way == "form":
        answer = await gateway.client.post("/v1/jobs", files=upload(("a.png", drawn_picture(1)), options=OPTIONS))
    else:
        body = {"items": [{"text": "x"}]} if way == "items" else {"source": source}
        answer = await gateway.client.post("/v1/jobs", json={**body, "options": OPTIONS})
    assert answer.status_code == 202
    job_id = answer.json()["job_id"]
    kept = gateway.ledger.job("default", job_id).options
    assert kept == JobOptions(
        columns={"title": "product_name"}, ocr=True, tags=True, duplicates="link", near_duplicates="skip"
    )
    assert (await gateway.client.get(f"/v1/jobs/{job_id}")).json()["options"] == OPTIONS


async def test_without_options_nothing_else_is_done(gateway: RunningGateway) -> None:
    job_id = (await gateway.client.post("/v1/jobs", json={"items": [{"text": "x"}]})).json()["job_id"]
    assert gateway.ledger.job("default", job_id).options == JobOptions()


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"orc": True}, "options.orc"),
        ({"ocr": "yes"}, "options.ocr"),
        ({"duplicates": "drop"}, "options.duplicates"),
        ({"columns": {"title": ""}}, "options.columns.title"),
        ({"columns": {f"c{number}": "x" for number in range(65)}}, "options.columns"),
    ],
)
async def test_a_wrong_option_is_named(gateway: RunningGateway, options: object, where: str) -> None:
    for answer in (
        await gateway.client.post("/v1/jobs", json={"items": [{"text": "x"}], "options": options}),
        await gateway.client.post("/v1/jobs", files=upload(("a.png", drawn_picture(1)), options=options)),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert answer.json()["detail"].startswith(where)
    assert gateway.ledger.jobs("default", 1) == []
