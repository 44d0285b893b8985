"""Documents from their file to the ledger and to the store: real listings, a real worker, encoder and store."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from redis import Redis

from services.common.domain import ItemKind
from services.common.index.ids import item_id
from services.common.jobs.ledger import JobLedger
from services.common.jobs.messages import BatchMessage, Message, first_messages
from services.common.jobs.records import Job, JobSource, ManifestLine
from services.common.media.store import MediaStore
from services.common.objects import open_objects
from services.common.revision import RevisionClock
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.encoder import EncoderProcess
from tests.fixtures.pdf_writer import PdfPage, PlacedPicture, jpeg, write_pdf
from tests.fixtures.store import StoreProcess
from tests.fixtures.workers import StoredItems, Surroundings, WorkerProcess, wait_until_closed
from workers.leases import Leases
from workers.listing.service import ListingService
from workers.sources.registry import open_source
from workers.sources.source import Source, SourceTools

TENANT = "t"
LIMIT_S = 60.0
PAGES = 300
SENTENCE = "The quick brown fox jumps over the lazy dog near the river."


def book(pages: int) -> bytes:
    """A logo on each page, a photo on every tenth, two paragraphs of text."""
    logo = PlacedPicture(jpeg(120, 120), (500, 730, 40, 40))
    found = []
    for number in range(1, pages + 1):
        photo = [PlacedPicture(jpeg(320 + number, 200, "blue"), (100, 100, 320, 200))] if number % 10 == 0 else []
        lines = [f"Chapter {number}. {SENTENCE}", *[SENTENCE] * 8, "", *[SENTENCE] * 8]
        found.append(PdfPage(lines, [logo, *photo]))
    return write_pdf(found, title="A book of foxes")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with (
        ValkeyProcess(tmp_path_factory.mktemp("documents")) as broker,
        Redis.from_url(broker.url) as client,
    ):
        yield client


def test_a_pdf_of_300_pages_is_listed_in_slices_and_nothing_is_left_out(redis: Redis, tmp_path: Path) -> None:
    path = tmp_path / "book.pdf"
    path.write_bytes(book(PAGES))
    objects = open_objects(str(tmp_path / "data"))
    ledger, sent = JobLedger(objects, RevisionClock()), list[Message]()

    def open_job(job: Job) -> Source:
        return open_source(job.source, SourceTools(MediaStore(objects), job.tenant, [tmp_path]))

    def publish(messages: Iterable[Message], *, links: Sequence[str] = ()) -> None:
        sent.extend(messages)

    # After each part another process goes on, with nothing but the cursor.
    service = ListingService(ledger, Leases(redis, 5), publish, open_job, max_attempts=3, slice_s=0.001)
    job = ledger.begin(TENANT, JobSource("document", str(path)))
    for _ in range(50):
        assert service.run(job.id, TENANT) is None
        if ledger.job(TENANT, job.id).listed:
            break

    known = ledger.job(TENANT, job.id)
    lines = ledger.lines(known, 0, known.total)
    assert ledger.failures(TENANT, job.id) == []
    kinds = [line.name.split(", ")[-1].split(" ")[0] for line in lines]
    assert kinds.count("page") == PAGES
    assert kinds.count("picture") == PAGES // 10 + 1, "the logo once"
    assert kinds.count("passage") >= 2 * PAGES
    assert len({line.key for line in lines}) == known.total
    assert sum(m.stop - m.start for m in sent if isinstance(m, BatchMessage)) == known.total
    pages = [line.position.page for line in lines if line.position and line.position.page]
    assert pages == sorted(pages)


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory, encoder: EncoderProcess) -> Iterator[Surroundings]:
    folder = tmp_path_factory.mktemp("documents")
    (folder / "files").mkdir()
    with ValkeyProcess(folder / "broker") as broker, StoreProcess(folder / "store" / "data") as store:
        yield Surroundings(folder / "data", broker.url, store.url, encoder.address, [folder / "files"])


@pytest.fixture(scope="module")
def worker(surroundings: Surroundings) -> Iterator[WorkerProcess]:
    with WorkerProcess(surroundings, "worker", ["--beat"]) as process:
        yield process


def ingested(surroundings: Surroundings, path: Path) -> tuple[str, list[ManifestLine]]:
    tenant = f"t{uuid.uuid4().hex[:8]}"
    ledger = surroundings.ledger()
    job = ledger.begin(tenant, JobSource("document", str(path)))
    surroundings.publish(list(first_messages(job)))
    progress = wait_until_closed(ledger, tenant, job.id, LIMIT_S)
    assert (progress.failed, progress.stored) == (0, progress.job.total)
    return tenant, list(ledger.lines(progress.job, 0, progress.job.total))


@pytest.mark.usefixtures("worker")
def test_a_pdfs_items_stand_in_the_store_with_their_places(surroundings: Surroundings) -> None:
    path = surroundings.roots[0] / "book.pdf"
    path.write_bytes(book(3))
    tenant, lines = ingested(surroundings, path)

    ids = [item_id(tenant, line.key) for line in lines]
    items = StoredItems(surroundings.qdrant_url).items(tenant, ids)
    assert len(items) == len(lines)
    assert len({item.document_id for item in items.values()}) == 1
    kinds = [items[each].kind for each in ids]
    assert kinds.count(ItemKind.PAGE) == 3
    assert kinds.count(ItemKind.IMAGE) == 1
    assert kinds.count(ItemKind.TEXT) >= 6
    for number, item in enumerate(items[each] for each in ids):
        assert item.title == "A book of foxes"
        assert item.position == lines[number].position
        assert (item.media is not None) is (item.kind is not ItemKind.TEXT)
        if item.kind is ItemKind.PAGE:
            assert "quick brown fox" in item.text


@pytest.mark.usefixtures("worker")
def test_passages_are_as_long_as_the_encoders_text_tower(surroundings: Surroundings) -> None:
    path = surroundings.roots[0] / "notes.md"
    path.write_text("# Notes\n" + f"{SENTENCE} " * 60, encoding="utf-8")
    tenant, lines = ingested(surroundings, path)
    assert 1 < len(lines) < 60
    assert StoredItems(surroundings.qdrant_url).count(tenant) == len(lines)
