"""Files of any kind over REST: kept as they come, named by jobs, refused where they cannot be read."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import resource
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.common.jobs.records import ManifestLine
from services.common.objects import open_objects
from services.common.uploads.records import UploadedEntry
from services.common.uploads.store import UploadStore
from tests.fixtures.api_keys import key_line, write_keys
from tests.fixtures.gateway import RunningGateway, drawn_picture, running_gateway

LIMIT = 8 * 1024 * 1024
PDF = b"%PDF-1.7\n" + b"0" * 5000


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path / "data", file_limit_bytes=LIMIT) as running:
        yield running


def store_of(gateway: RunningGateway) -> UploadStore:
    return UploadStore(open_objects(gateway.settings.data_url))


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


async def put(gateway: RunningGateway, content: bytes) -> str:
    answer = await gateway.client.put("/v1/uploads", content=content)
    assert answer.status_code == 201
    return str(answer.json()["sha256"])


def stored_files(folder: Path) -> list[Path]:
    return [path for path in (folder / "data" / "uploads").rglob("*") if path.is_file()]


async def pieces(size_bytes: int) -> AsyncIterator[bytes]:
    """A body without a declared length."""
    for _ in range(size_bytes // 65_536):
        yield b"0" * 65_536


async def test_a_file_is_kept_and_known_by_its_digest(gateway: RunningGateway) -> None:
    answer = await gateway.client.put("/v1/uploads", content=PDF)
    digest = hashlib.sha256(PDF).hexdigest()
    assert (answer.status_code, answer.json()) == (201, {"sha256": digest, "size_bytes": len(PDF)})
    assert (await gateway.client.head(f"/v1/uploads/{digest}")).status_code == 200
    assert (await gateway.client.head(f"/v1/uploads/{'0' * 64}")).status_code == 404
    with store_of(gateway).opened("default", digest) as path:
        assert path.read_bytes() == PDF


async def test_a_large_file_passes_through_without_memory(tmp_path: Path) -> None:
    size = 256 * 1024 * 1024
    async with running_gateway(tmp_path / "data", file_limit_bytes=size) as gateway:
        before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = await gateway.client.put("/v1/uploads", content=pieces(size))
        assert (answer.status_code, answer.json()["size_bytes"]) == (201, size)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 60_000


async def test_a_file_above_the_limit_leaves_nothing(gateway: RunningGateway, tmp_path: Path) -> None:
    for content in (b"0" * (LIMIT + 1), pieces(2 * LIMIT)):
        answer = await gateway.client.put("/v1/uploads", content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert stored_files(tmp_path) == []


async def test_a_caller_who_goes_away_leaves_nothing(gateway: RunningGateway, tmp_path: Path) -> None:
    address = httpx.URL(gateway.url)
    _, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(
        b"PUT /v1/uploads HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4000000\r\n\r\n" + b"0" * 3_000_000
    )
    await writer.drain()
    while not stored_files(tmp_path):
        await asyncio.sleep(0.02)
    writer.close()
    while stored_files(tmp_path):
        await asyncio.sleep(0.02)
    assert (await gateway.client.put("/v1/uploads", content=PDF)).status_code == 201


async def test_more_files_at_once_than_there_are_places_are_refused(tmp_path: Path) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        yield PDF
        await held.wait()

    held = asyncio.Event()
    async with running_gateway(tmp_path / "data", files_in_flight=2) as gateway:
        waiting = [asyncio.create_task(gateway.client.put("/v1/uploads", content=slowly())) for _ in range(2)]
        await asyncio.sleep(0.3)
        refused = await gateway.client.put("/v1/uploads", content=PDF)
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert (await gateway.client.put("/v1/media", content=drawn_picture(1))).status_code == 201
        held.set()
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [201, 201]


async def test_an_empty_file_and_a_form_are_refused(gateway: RunningGateway) -> None:
    empty = await gateway.client.put("/v1/uploads", content=b"")
    assert (empty.status_code, empty.json()["detail"]) == (422, "The file is empty.")
    form = await gateway.client.put("/v1/uploads", files={"file": ("a.pdf", PDF)})
    assert (form.status_code, form.json()["code"]) == (415, "unsupported_media_type")


async def test_a_job_of_files_pictures_and_words_keeps_their_order(gateway: RunningGateway) -> None:
    upload = await put(gateway, PDF)
    picture = (await gateway.client.put("/v1/media", content=drawn_picture(1))).json()["sha256"]
    items = [
        {"text": "words alone"},
        {"upload": upload, "name": "q3/report.pdf", "tags": ["2026"], "metadata": {"unit": "north"}},
        {"sha256": picture, "name": "a.png"},
    ]
    answer = await gateway.client.post("/v1/jobs", json={"items": items, "options": {"ocr": True}})
    assert answer.status_code == 202
    accepted = answer.json()
    assert (accepted["total"], accepted["listed"], accepted["rejected"]) == (0, False, [])
    job = gateway.ledger.job("default", accepted["job_id"])
    assert (job.source.type, job.source.path, job.streamed, job.options.ocr) == ("upload", "", True, True)
    assert store_of(gateway).entries("default", job.id) == [
        UploadedEntry(ManifestLine("#1", text="words alone")),
        UploadedEntry(ManifestLine("q3/report.pdf", tags=("2026",), metadata={"unit": "north"}), upload),
        UploadedEntry(ManifestLine("a.png", sha256=picture, source_uri="a.png")),
    ]


async def test_a_job_of_one_file_is_known_by_its_name(gateway: RunningGateway) -> None:
    item = {"upload": await put(gateway, PDF), "name": "report.pdf"}
    job_id = (await gateway.client.post("/v1/jobs", json={"items": [item]})).json()["job_id"]
    shown = (await gateway.client.get(f"/v1/jobs/{job_id}")).json()
    assert shown["source"] == {"type": "upload", "path": "report.pdf"}


async def test_a_form_takes_files_of_any_kind(gateway: RunningGateway) -> None:
    archive = zipped(**{"cat.png": drawn_picture(3)})
    files = [
        ("files", ("photo.png", drawn_picture(1))),
        ("files", ("report.pdf", PDF)),
        ("files", ("photos.zip", archive)),
        ("files", ("notes.md", b"# Notes\n\nText.")),
        ("files", ("letter.docx", zipped(**{"word/document.xml": b"<x/>"}))),
        ("files", ("core", b"\x7fELF\x02\x01\x01" + b"\0" * 64)),
        ("files", ("empty.txt", b"")),
    ]
    described = [{"name": "report.pdf", "tags": ["finance"]}, {"name": "photo.png", "title": "A photo"}]
    answer = await gateway.client.post("/v1/jobs", files=files, data={"items": json.dumps(described)})
    assert answer.status_code == 202
    assert [(entry["name"], entry["code"]) for entry in answer.json()["rejected"]] == [
        ("letter.docx", "unsupported_media_type"),
        ("core", "unsupported_media_type"),
        ("empty.txt", "image_empty"),
    ]
    entries = store_of(gateway).entries("default", answer.json()["job_id"])
    assert [(entry.line.name, entry.line.tags, bool(entry.upload)) for entry in entries] == [
        ("photo.png", (), False),
        ("report.pdf", ("finance",), True),
        ("photos.zip", (), True),
        ("notes.md", (), True),
    ]
    assert entries[0].line.title == "A photo"
    with store_of(gateway).opened("default", entries[2].upload) as path:
        assert path.read_bytes() == archive


async def test_what_holds_for_one_item_alone_is_refused_of_a_file(gateway: RunningGateway) -> None:
    upload = await put(gateway, PDF)
    items = [{"upload": upload, "name": "a.pdf", "title": "T"}, {"upload": "0" * 64, "name": "b.pdf"}]
    answer = await gateway.client.post("/v1/jobs", json={"items": items})
    assert (answer.status_code, answer.json()["code"]) == (422, "nothing_accepted")
    reasons = [entry["message"] for entry in answer.json()["rejected"]]
    assert "name, tags and metadata" in reasons[0]
    assert "PUT /v1/uploads" in reasons[1]


async def test_one_tenants_files_are_not_anothers(tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys", key_line("one", tenant="one"), key_line("two", tenant="two"))
    async with running_gateway(tmp_path / "data", keys_path=keys) as gateway:
        mine, theirs = ({"authorization": f"Bearer {name}"} for name in ("one", "two"))
        digest = (await gateway.client.put("/v1/uploads", content=PDF, headers=mine)).json()["sha256"]
        assert (await gateway.client.head(f"/v1/uploads/{digest}", headers=mine)).status_code == 200
        assert (await gateway.client.head(f"/v1/uploads/{digest}", headers=theirs)).status_code == 404
        items = {"items": [{"upload": digest, "name": "a.pdf"}]}
        assert (await gateway.client.post("/v1/jobs", json=items, headers=theirs)).status_code == 422


async def test_object_storage_is_read_below_the_named_prefixes_alone(tmp_path: Path) -> None:
    async with running_gateway(tmp_path / "data", source_prefixes="s3://bucket/photos") as gateway:
        for kind in ("prefix", "auto"):
            source = {"type": kind, "path": "s3://bucket/photos/2026"}
            assert (await gateway.client.post("/v1/jobs", json={"source": source})).status_code == 202
        outside = {"source": {"type": "prefix", "path": "s3://bucket/other"}}
        answer = await gateway.client.post("/v1/jobs", json=outside)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert "IMAGERAG_SOURCE_PREFIXES" in answer.json()["detail"]
