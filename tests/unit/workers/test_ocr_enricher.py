"""The enrichment around the reading: what is read once is known, what fails is told, what has words is left."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.common.domain import Item, ItemKind
from services.common.errors import ImageragError, ImageWorkerLostError
from services.common.jobs.records import JobOptions
from services.common.media.images import ImageLimits
from services.common.objects import open_objects
from workers.enrich.enrichment import Enrichment, SeenPicture
from workers.enrich.kept import KeptFindings
from workers.enrich.ocr.enricher import OcrEnricher
from workers.enrich.ocr.found import FoundText
from workers.enrich.ocr.reader import PictureReader
from workers.enrich.stage import EnrichmentStage
from workers.sandbox.resident import ResidentLimits


class Reads:
    """Reads bytes as if they were pictures of their own text."""

    def __init__(self) -> None:
        self.times: Counter[bytes] = Counter()

    def __call__(self, data: bytes) -> FoundText:
        self.times[data] += 1
        if data == b"poison":
            raise ImageWorkerLostError("It ended the process that worked on it.")
        return FoundText(data.decode(), scripts=("LATIN",), complete=data != b"endless")


def seen(data: bytes, kind: ItemKind = ItemKind.IMAGE, text: str = "", tenant: str = "t") -> SeenPicture:
    item = Item("id", tenant, kind, 1, datetime.now(UTC), title="T", text=text)
    return SeenPicture(tenant, hashlib.sha256(data).hexdigest(), data, item)


@pytest.fixture
def reads() -> Reads:
    return Reads()


def enricher(reads: Reads, folder: Path, version: str = "1") -> OcrEnricher:
    kept = KeptFindings(open_objects(str(folder)), "ocr", {"version": version}, FoundText)
    return OcrEnricher(reads, kept)


async def texts(opened: OcrEnricher, *pictures: SeenPicture) -> list[str]:
    found = await opened.enrich(pictures)
    return [each.code if isinstance(each, ImageragError) else each.ocr_text for each in found]


async def test_a_picture_is_read_once_for_good(reads: Reads, tmp_path: Path) -> None:
    first = enricher(reads, tmp_path)
    assert await texts(first, seen(b"EXIT"), seen(b""), seen(b"EXIT")) == ["EXIT", "", "EXIT"]
    again = enricher(reads, tmp_path)
    assert await texts(again, seen(b"EXIT"), seen(b"")) == ["EXIT", ""]
    assert reads.times == {b"EXIT": 1, b"": 1}


async def test_another_tenant_and_another_version_read_it_anew(reads: Reads, tmp_path: Path) -> None:
    await texts(enricher(reads, tmp_path), seen(b"EXIT"))
    await texts(enricher(reads, tmp_path), seen(b"EXIT", tenant="other"))
    await texts(enricher(reads, tmp_path, "2"), seen(b"EXIT"))
    assert reads.times[b"EXIT"] == 3


async def test_what_cannot_be_read_fails_alone_and_is_not_kept(reads: Reads, tmp_path: Path) -> None:
    opened = enricher(reads, tmp_path)
    assert await texts(opened, seen(b"A"), seen(b"poison"), seen(b"B")) == ["A", "image_worker_lost", "B"]
    await texts(opened, seen(b"poison"))
    assert reads.times[b"poison"] == 2


async def test_what_was_read_in_part_counts_and_is_said_to_be_a_part(reads: Reads, tmp_path: Path) -> None:
    for opened in (enricher(reads, tmp_path), enricher(reads, tmp_path)):
        assert await opened.enrich([seen(b"endless")]) == [Enrichment("endless", incomplete=("ocr",))]


async def test_what_kills_the_reader_or_hangs_marks_its_item_alone(tmp_path: Path) -> None:
    bounds = ResidentLimits(answer_s=3.0)
    with closing(PictureReader(ImageLimits(), bounds, "tests.fixtures.odd_ocr")) as reader:
        kept = KeptFindings(open_objects(str(tmp_path)), "ocr", {}, FoundText)
        stage = EnrichmentStage({"ocr": OcrEnricher(reader.read, kept)})
        pictures = [seen(data) for data in (b"EXIT", b"crash", b"OPEN", b"hang", b"SALE")]
        found = await stage.enrich(pictures, JobOptions(ocr=True))
    assert [each.ocr_text for each in found] == ["EXIT", "", "OPEN", "", "SALE"]
    assert [each.incomplete for each in found] == [(), ("ocr",), (), ("ocr",), ()]


async def test_a_page_that_tells_its_words_is_not_read(reads: Reads, tmp_path: Path) -> None:
    told = "These words come from the file itself, so nobody has to guess them from pixels."
    pages = [seen(b"page 1", ItemKind.PAGE, told), seen(b"page 2", ItemKind.PAGE, "Scanned by me")]
    photo = seen(b"photo", ItemKind.IMAGE, told)
    assert await texts(enricher(reads, tmp_path), *pages, photo) == ["", "page 2", "photo"]


@pytest.mark.parametrize("asked", [True, False])
async def test_always_needs_no_asking(reads: Reads, tmp_path: Path, asked: bool) -> None:
    stage = EnrichmentStage(
        {"ocr": enricher(reads, tmp_path)}, always=frozenset() if asked else frozenset({"ocr"})
    )
    (found,) = await stage.enrich([seen(b"EXIT")], JobOptions(ocr=asked))
    assert found == Enrichment(ocr_text="EXIT")


async def test_a_worker_without_it_marks_the_item() -> None:
    (found,) = await EnrichmentStage({}).enrich([seen(b"EXIT")], JobOptions(ocr=True))
    assert found == Enrichment(incomplete=("ocr",))
