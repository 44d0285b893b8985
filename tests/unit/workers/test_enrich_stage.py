"""A failing enrichment marks the pictures it failed on, and nothing else happens to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from services.common.domain import Caption, Item, ItemKind
from services.common.errors import ImageragError, ModelAnswerError, UnavailableError
from services.common.jobs.records import JobOptions
from workers.enrich.enrichment import Enricher, Enrichment, SeenPicture
from workers.enrich.stage import EnrichmentStage

ITEM = Item("i", "acme", ItemKind.IMAGE, 1, datetime(2026, 1, 1, tzinfo=UTC))
PICTURES = [SeenPicture("acme", f"{number:064x}", bytes([number]), ITEM) for number in range(3)]
CAPTION = Caption("A cat.", model="m")


class Fixed:
    """An enrichment that always finds the same, or always fails."""

    def __init__(self, found: Enrichment | ImageragError | Exception) -> None:
        self._found = found

    async def enrich(self, pictures: Sequence[SeenPicture]) -> list[Enrichment | ImageragError]:
        if isinstance(self._found, Exception) and not isinstance(self._found, ModelAnswerError):
            raise self._found
        answer = self._found
        return [answer] * len(pictures)


READS, WRITES = Fixed(Enrichment(ocr_text="EXIT")), Fixed(Enrichment(caption=CAPTION))


async def test_what_all_found_is_put_together() -> None:
    stage = EnrichmentStage({"ocr": READS, "captions": WRITES})
    found = await stage.enrich(PICTURES, JobOptions(ocr=True, captions=True))
    assert found == [Enrichment(ocr_text="EXIT", caption=CAPTION)] * 3


async def test_what_nobody_asks_for_is_not_done() -> None:
    stage = EnrichmentStage({"ocr": READS, "captions": WRITES})
    assert await stage.enrich(PICTURES, JobOptions()) == [Enrichment()] * 3
    assert await stage.enrich(PICTURES, JobOptions(captions=True)) == [Enrichment(caption=CAPTION)] * 3


@pytest.mark.parametrize(
    "failing",
    [
        Fixed(UnavailableError("away")),
        Fixed(ModelAnswerError("no description")),
        Fixed(RuntimeError("a fault of our own")),
        None,
    ],
    ids=["away", "each picture", "unforeseen", "not there"],
)
async def test_one_that_fails_marks_the_pictures_and_leaves_the_others_finding(failing: Enricher | None) -> None:
    there: dict[str, Enricher] = {"ocr": READS}
    if failing is not None:
        there["captions"] = failing
    found = await EnrichmentStage(there).enrich(PICTURES, JobOptions(ocr=True, captions=True))
    assert found == [Enrichment(ocr_text="EXIT", incomplete=("captions",))] * 3
    item = found[0].applied_to(ITEM)
    assert (item.ocr_text, item.caption, item.incomplete) == ("EXIT", None, ("captions",))
