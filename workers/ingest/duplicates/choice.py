"""Which of the items that are there a picture is a duplicate of. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from services.common.domain import DuplicateKind, DuplicateOf, Position
from services.common.index.twins import Twin
from services.common.jobs.records import DuplicatePolicy, JobOptions
from services.common.media.hash_bands import distance_bits


@dataclass(frozen=True)
class NearLimits:
    """How close two pictures must be to be looked at closely; both must hold.

    Attributes:
        most_bits: In so many of their 64 bits the perceptual hashes may differ.
        least_similarity: Smallest cosine of the image vectors.
    """

    most_bits: int
    least_similarity: float


@dataclass(frozen=True)
class Wanted:
    """What a job wants done with duplicates of either kind."""

    exact: DuplicatePolicy
    near: DuplicatePolicy

    @classmethod
    def of(cls, options: JobOptions) -> Wanted:
        """The wishes of a job."""
        return cls(options.duplicates, options.near_duplicates)

    def __bool__(self) -> bool:
        """Whether any duplicate is looked for."""
        return self.exact != "keep" or self.near != "keep"

    def policy(self, kind: DuplicateKind) -> DuplicatePolicy:
        """What is done with one of a kind."""
        return self.exact if kind is DuplicateKind.EXACT else self.near


def is_comparable(perceptual_hash: str, position: Position | None) -> bool:
    """Whether a picture can be a duplicate, or have one.

    A black frame of a video or an empty page of a document belongs where it stands, whatever else is black.
    """
    in_sequence = position is not None and (position.timestamp_s is not None or position.page is not None)
    return bool(perceptual_hash) or not in_sequence


def exact_first(item_id: str, twins: Iterable[Twin]) -> DuplicateOf | None:
    """The first of the other items with the same bytes; None if there is none.

    Those that are linked copies themselves count only if nothing else is left: the first of them was deleted. What
    points to this very item does not count at all: this one is the first.

    Args:
        item_id: Of the item that is about to be written.
        twins: Items with its picture's bytes.
    """
    others = [
        twin
        for twin in twins
        if twin.id != item_id
        and not _points_to(twin, item_id)
        and is_comparable(twin.perceptual_hash, twin.position)
    ]
    if not others:
        return None
    first = min(others, key=lambda twin: (_is_exact_copy(twin), *_age(twin)))
    return DuplicateOf(first.id, DuplicateKind.EXACT)


def near_candidates(
    item_id: str, perceptual_hash: str, twins: Sequence[Twin], gone: Collection[str], limits: NearLimits
) -> list[Twin]:
    """The items that may look the same, the most similar first, the older of equals; each wants a closer look.

    Links lead to items that are not linked themselves, so that a chain of small changes does not tie together what
    looks different. An item whose own link leads nowhere any more counts again.

    Args:
        item_id: Of the item that is about to be written.
        perceptual_hash: Of its picture.
        twins: Items whose vectors are close.
        gone: Items that twins are linked to, and that are not there any more.
        limits: How close is close.
    """
    fitting = [
        twin
        for twin in twins
        if twin.id != item_id
        and not _points_to(twin, item_id)
        and (twin.duplicate_of is None or twin.duplicate_of.item_id in gone)
        and twin.perceptual_hash
        and distance_bits(twin.perceptual_hash, perceptual_hash) <= limits.most_bits
        and twin.similarity >= limits.least_similarity
    ]
    return sorted(fitting, key=lambda twin: (-round(twin.similarity, 3), *_age(twin)))


def near_duplicate_of(twin: Twin) -> DuplicateOf:
    """The link to an item that looks the same."""
    return DuplicateOf(twin.id, DuplicateKind.NEAR, round(min(twin.similarity, 1.0), 4))


def _points_to(twin: Twin, item_id: str) -> bool:
    return twin.duplicate_of is not None and twin.duplicate_of.item_id == item_id


def _is_exact_copy(twin: Twin) -> bool:
    return twin.duplicate_of is not None and twin.duplicate_of.kind is DuplicateKind.EXACT


def _age(twin: Twin) -> tuple[int, str, int, str]:
    return twin.revision, twin.job_id, twin.line, twin.id
