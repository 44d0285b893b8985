"""Whom a picture has to wait for before it is compared with what is stored. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.common.domain import DuplicateKind, Vector
from services.common.media.hash_bands import distance_bits
from workers.ingest.duplicates.arrivals import Arrival, Place, Seen
from workers.ingest.duplicates.choice import NearLimits, Wanted

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Comer:
    """A picture in the order, with its vector.

    Attributes:
        vector: Image vector, shape (dim,); None if it has none.
    """

    arrival: Arrival
    place: Place
    vector: Vector | None


@dataclass(frozen=True)
class Held:
    """A picture that comes first, may turn out to be the same, and is still on its way.

    Attributes:
        item_id: Of its item.
        kind: In which way it may be the same.
    """

    item_id: str
    kind: DuplicateKind


@dataclass(frozen=True)
class Awaited:
    """A line of another message that comes first and may turn out to be the same."""

    position: int
    job_id: str
    line: int
    held: Held


def kind_between(one: Comer, other: Comer, wanted: Wanted, limits: NearLimits) -> DuplicateKind | None:
    """In which way two pictures of one message are duplicates, as far as the job cares."""
    if one.arrival.item_id == other.arrival.item_id:
        return None
    if one.arrival.sha256 == other.arrival.sha256:
        return DuplicateKind.EXACT if wanted.exact != "keep" else None
    hashes = one.arrival.perceptual_hash, other.arrival.perceptual_hash
    if wanted.near == "keep" or not all(hashes) or one.vector is None or other.vector is None:
        return None
    if distance_bits(*hashes) > limits.most_bits:
        return None
    return DuplicateKind.NEAR if float(one.vector @ other.vector) >= limits.least_similarity else None


def awaited(
    comers: Sequence[Comer], seen: Seen, ours: Collection[tuple[str, int]], wanted: Wanted, limits: NearLimits
) -> dict[int, list[Awaited]]:
    """For each line the announced lines that stand before it and may be the same.

    Vectors are not announced: whatever has a close enough hash is waited for.

    Args:
        comers: Lines of one message.
        seen: What stands in the order.
        ours: Job and line of all lines of this message; those are compared with one another more closely.
        wanted: What the job cares about.
        limits: What counts as close.
    """
    found: dict[int, list[Awaited]] = {comer.arrival.line: [] for comer in comers}
    own = [comer.arrival for comer in comers]
    for position, announcement in seen.unsettled.items():
        others = [
            (index, arrival)
            for index, arrival in enumerate(announcement.arrivals)
            if (announcement.job_id, arrival.line) not in ours
        ]
        for row, column in _pairs(own, [arrival for _, arrival in others], limits.most_bits):
            comer, (index, arrival) = comers[row], others[column]
            kind = _possible_kind(comer.arrival, arrival, wanted)
            if kind and (position, index) < comer.place:
                held = Held(arrival.item_id, kind)
                found[comer.arrival.line].append(Awaited(position, announcement.job_id, arrival.line, held))
    return found


def before(comer: Comer, open_comers: Sequence[Comer], wanted: Wanted, limits: NearLimits) -> Iterator[Held]:
    """The lines of the same message that stand before it, are not done, and are the same as it."""
    for other in open_comers:
        if other.place < comer.place:
            kind = kind_between(comer, other, wanted, limits)
            if kind:
                yield Held(other.arrival.item_id, kind)


def _possible_kind(one: Arrival, other: Arrival, wanted: Wanted) -> DuplicateKind | None:
    if one.item_id == other.item_id:
        return None
    if one.sha256 == other.sha256:
        return DuplicateKind.EXACT if wanted.exact != "keep" else None
    comparable = wanted.near != "keep" and one.perceptual_hash and other.perceptual_hash
    return DuplicateKind.NEAR if comparable else None


def _pairs(rows: Sequence[Arrival], columns: Sequence[Arrival], most_bits: int) -> Iterator[tuple[int, int]]:
    """Rows and columns with the same bytes or close hashes."""
    digests = (np.array([arrival.sha256 for arrival in some], np.str_) for some in (rows, columns))
    hashes = (_numbers([arrival.perceptual_hash for arrival in some]) for some in (rows, columns))
    same, differing = np.equal.outer(*digests), np.bitwise_count(np.bitwise_xor.outer(*hashes))
    for row, column in np.argwhere(same | (differing <= most_bits)):
        yield int(row), int(column)


def _numbers(hashes: Sequence[str]) -> Hashes:
    """Missing ones as 0: whoever asks about them looks at the text as well."""
    return np.array([int(each, 16) if each else 0 for each in hashes], np.uint64)
