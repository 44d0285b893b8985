"""What an enrichment finds, and what every one of them offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Protocol

from services.common.domain import Caption, Item
from services.common.errors import ImageragError
from services.common.jobs.records import JobOptions


@dataclass(frozen=True)
class SeenPicture:
    """A picture that is to be looked at.

    Attributes:
        tenant: Whose it is.
        sha256: Hex digest of `data`.
        data: The encoded picture.
        item: What is known of it; an enrichment may use its texts.
    """

    tenant: str
    sha256: str
    data: bytes
    item: Item


@dataclass(frozen=True)
class Enrichment:
    """What was found out about one picture.

    Attributes:
        ocr_text: Read inside the picture.
        caption: Written by a vision model.
        labels: Named by a model as seen.
        incomplete: Names of enrichments that failed.
    """

    ocr_text: str = ""
    caption: Caption | None = None
    labels: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()

    def joined(self, other: Enrichment) -> Enrichment:
        """What both found."""
        return Enrichment(
            ocr_text=self.ocr_text or other.ocr_text,
            caption=self.caption or other.caption,
            labels=tuple(dict.fromkeys((*self.labels, *other.labels))),
            incomplete=tuple(dict.fromkeys((*self.incomplete, *other.incomplete))),
        )

    def applied_to(self, item: Item) -> Item:
        """The item with it; what the item says of itself stays."""
        return replace(
            item,
            ocr_text=self.ocr_text or item.ocr_text,
            caption=self.caption or item.caption,
            labels=self.labels or item.labels,
            incomplete=self.incomplete,
        )


class Enricher(Protocol):
    """Looks at pictures in one way. It may keep what it finds by the picture's digest."""

    async def enrich(self, pictures: Sequence[SeenPicture]) -> list[Enrichment | ImageragError]:
        """One finding or error a picture, in order.

        Raises:
            ImageragError: It can look at none of them now.
        """


def wanted(
    options: JobOptions, there: Mapping[str, Enricher], always: Set[str] = frozenset()
) -> dict[str, Enricher | None]:
    """The enrichments to carry out, by name; None where this worker has none of that name.

    Args:
        options: What the job asks for.
        there: What this worker has.
        always: Carried out for every job.
    """
    # Labels (`tags`) come of the picture's vector, once it is there: see `workers.ingest.labelling`.
    asked = {"ocr": options.ocr, "captions": options.captions}
    return {name: there.get(name) for name, is_asked in asked.items() if is_asked or name in always}
