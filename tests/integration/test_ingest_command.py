"""`imagerag ingest` against a real gateway: what is sent, what is read by workers, and what is told."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from services.cli.errors import CliError
from services.cli.ingestion.entries import size_bytes
from services.cli.ingestion.following import Totals
from services.cli.ingestion.planning import Asked, Plan, plan
from services.cli.ingestion.service import Ingestion, Report
from services.cli.ingestion.uploads import Sent
from services.cli.rest.client import RestClient
from services.common.jobs.records import Job, LineOutcome, ManifestLine, Outcome
from services.common.objects import open_objects
from services.common.uploads.store import UploadStore
from tests.fixtures.archives import picture, zipped
from tests.fixtures.gateway import RunningGateway, drawn_picture, running_gateway
from workers.sources.uploaded import read_pictures


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(
        tmp_path / "data", source_roots=str(tmp_path), file_limit_bytes=4_000_000
    ) as running:
        yield running


class Told:
    """What was told of one ingestion."""

    def __init__(self) -> None:
        self.entries = 0
        self.bytes = 0
        self.totals: list[Totals] = []

    def entry(self) -> None:
        self.entries += 1

    def data(self, count: int) -> None:
        self.bytes += count


def run(gateway: RunningGateway, planned: Plan, told: Told, *, wait: bool = True, **options: object) -> Report:
    with RestClient(gateway.url, patience_s=10) as client:
        ingestion = Ingestion(client, Sent(told.entry, told.data), told.totals.append, options)
        ingestion.begin(planned)
        return ingestion.end(wait=wait)


async def open_jobs(gateway: RunningGateway, count: int) -> list[Job]:
    while len(gateway.ledger.open_jobs()) < count:
        await asyncio.sleep(0.02)
    return [gateway.ledger.job(*each) for each in gateway.ledger.open_jobs()]


def list_and_store(gateway: RunningGateway, job: Job, lines: Sequence[ManifestLine]) -> None:
    """What workers do with uploaded files, whatever is in them."""
    known = gateway.ledger.listing.extend(job, lines, [], complete=True)
    gateway.ledger.record(known, [LineOutcome(n, Outcome.STORED, item_id="x") for n in range(len(lines))])


def store_of(gateway: RunningGateway) -> UploadStore:
    return UploadStore(open_objects(gateway.settings.data_url))


async def test_a_mixed_folder_is_accepted_or_told_file_by_file(gateway: RunningGateway, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    files = {
        "a.png": drawn_picture(1),
        "sub/report.pdf": b"%PDF-1.7\n" + b"0" * 300_000,
        "sub/photos.zip": zipped({"x.png": picture(1)}),
        "empty.jpg": b"",
        "letter.docx": zipped({"word/document.xml": b"<x/>"}),
        "core": b"\x7fELF\x02\x01\x01" + b"\0" * 64,
        "broken.png": b"\x89PNG\r\n\x1a\n and no more",
        "script.py": b"print('hello')\n",
        "large.mp4": b"\0\0\0\x18ftypisom" + bytes(4_000_000),
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    planned, told = plan([str(folder)], [], Asked()), Told()
    running = asyncio.create_task(asyncio.to_thread(run, gateway, planned, told, ocr=True))
    (job,) = await open_jobs(gateway, 1)
    entries = store_of(gateway).entries("default", job.id)
    assert {entry.line.name for entry in entries} == {"a.png", "sub/report.pdf", "sub/photos.zip"}
    assert job.options.ocr
    list_and_store(gateway, job, [ManifestLine(f"line {number}") for number in range(7)])
    report = await running
    assert (report.totals.stored, report.totals.pending, report.jobs) == (7, 0, (job.id,))
    assert {failure.name: failure.code for failure in report.failures} == {
        "empty.jpg": "image_empty",
        "letter.docx": "unsupported_media_type",
        "core": "unsupported_media_type",
        "broken.png": "image_truncated",
        "script.py": "unsupported_media_type",
        "large.mp4": "payload_too_large",
    }
    assert all(failure.message for failure in report.failures)
    assert (told.entries, told.bytes) == (len(files), sum(map(len, files.values())))
    assert told.totals[-1].settled == 7


async def test_the_same_command_again_sends_nothing_twice(gateway: RunningGateway, tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7\n" + b"0" * 300_000)
    planned = plan([str(tmp_path / "report.pdf")], [], Asked())
    for _ in range(2):
        told = Told()
        await asyncio.to_thread(run, gateway, planned, told, wait=False)
        assert told.bytes == size_bytes(planned.entries)
    data = list((tmp_path / "data" / "uploads" / "default" / "data").iterdir())
    assert len(data) == 1
    assert len(await open_jobs(gateway, 2)) == 2


async def test_a_table_is_one_job_with_its_pictures(gateway: RunningGateway, tmp_path: Path) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["photo", "label"], ["img/1.png", "Red"], ["img/2.png", "Blue"]])
    (tmp_path / "img").mkdir()
    for number in (1, 2):
        (tmp_path / "img" / f"{number}.png").write_bytes(drawn_picture(number))
    (tmp_path / "items.csv").write_text(text.getvalue())
    planned = plan([str(tmp_path / "items.csv")], [], Asked(with_columns=True))
    await asyncio.to_thread(run, gateway, planned, Told(), wait=False, columns={"title": "label"})
    (job,) = await open_jobs(gateway, 1)
    entries = store_of(gateway).entries("default", job.id)
    assert [entry.line.name for entry in entries] == ["items.csv", "img/1.png", "img/2.png"]
    assert [bool(entry.upload) for entry in entries] == [True, False, False]
    assert dict(job.options.columns) == {"title": "label"}


async def test_a_table_with_many_pictures_brings_a_list_of_them(
    gateway: RunningGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.cli.ingestion.service.LISTED_ITEMS", 3)
    (tmp_path / "img").mkdir()
    for number in range(5):
        (tmp_path / "img" / f"{number}.png").write_bytes(drawn_picture(number))
    (tmp_path / "items.csv").write_text("\n".join(["photo", *(f"img/{number}.png" for number in range(5))]))
    planned = plan([str(tmp_path / "items.csv")], [], Asked())
    await asyncio.to_thread(run, gateway, planned, Told(), wait=False)
    (job,) = await open_jobs(gateway, 1)
    (entry,) = store_of(gateway).entries("default", job.id)
    with store_of(gateway).opened("default", entry.pictures) as path, path.open("rb") as file:
        named = {each.name: each.sha256 for each in read_pictures(file)}
    assert named == {f"img/{n}.png": hashlib.sha256(drawn_picture(n)).hexdigest() for n in range(5)}


async def test_paths_of_the_server(gateway: RunningGateway, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    planned = plan([str(tmp_path / "inbox")], [], Asked(server_side=True))
    running = asyncio.create_task(asyncio.to_thread(run, gateway, planned, Told()))
    (job,) = await open_jobs(gateway, 1)
    assert (job.source.type, job.source.path) == ("auto", str(tmp_path / "inbox"))
    list_and_store(gateway, job, [ManifestLine("a")])
    report = await running
    assert (report.totals.stored, report.failures) == (1, ())


async def test_what_the_server_may_not_read_is_said(gateway: RunningGateway) -> None:
    planned = plan(["/etc"], [], Asked(server_side=True))
    with pytest.raises(CliError, match="IMAGERAG_SOURCE_ROOTS"):
        await asyncio.to_thread(run, gateway, planned, Told())


async def test_several_jobs_are_followed_to_the_end_of_the_last(
    gateway: RunningGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.cli.ingestion.service.CHUNK_ITEMS", 2)
    for number in range(5):
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / "photos" / f"{number}.png").write_bytes(drawn_picture(number))
    planned, told = plan([str(tmp_path / "photos")], [], Asked()), Told()
    running = asyncio.create_task(asyncio.to_thread(run, gateway, planned, told))
    for job in reversed(await open_jobs(gateway, 3)):
        gateway.work(job, fail=("3.png",))
    report = await running
    assert (report.totals.total, report.totals.stored, report.totals.failed) == (5, 4, 1)
    assert [failure.name for failure in report.failures] == ["3.png"]
    assert len(report.jobs) == 3
    assert report.document()["failed"] == 1
