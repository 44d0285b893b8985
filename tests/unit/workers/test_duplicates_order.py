"""Whom a picture waits for."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.common.domain import DuplicateKind, Vector
from services.common.jobs.records import DuplicatePolicy
from services.common.media.hash_bands import distance_bits
from workers.ingest.duplicates.arrivals import Announcement, Arrival, Place, Seen
from workers.ingest.duplicates.choice import NearLimits, Wanted
from workers.ingest.duplicates.order import Awaited, Comer, Held, awaited, before, kind_between

LIMITS = NearLimits(6, 0.95)
BOTH = Wanted("link", "skip")
EAST, NORTH = np.array([1, 0], np.float32), np.array([0, 1], np.float32)
HASHES = ["", "00000000ffffffff", "00000000fffffffc", "ffffffff00000000", "00000000ffff0000"]


def comer(line: int, sha256: str, hash_: str = "", place: Place = (5, 0), vector: Vector | None = EAST) -> Comer:
    """A picture."""
    return Comer(Arrival(line, f"item{line}", sha256, hash_), place, vector)


def announced(position: int, *arrivals: Arrival, job_id: str = "other") -> dict[int, Announcement]:
    """What stands at a position."""
    return {position: Announcement(job_id, arrivals, datetime.now(UTC), position)}


def test_the_same_bytes_that_stand_before_are_waited_for() -> None:
    seen = Seen(announced(3, Arrival(9, "x", "s")), 5)
    found = awaited([comer(0, "s"), comer(1, "z")], seen, (), BOTH, LIMITS)
    assert found == {0: [Awaited(3, "other", 9, Held("x", DuplicateKind.EXACT))], 1: []}


def test_what_stands_behind_is_not_waited_for() -> None:
    seen = Seen(announced(7, Arrival(9, "x", "s")), 7)
    assert awaited([comer(0, "s")], seen, (), BOTH, LIMITS) == {0: []}


def test_within_one_announcement_the_order_of_the_lines_counts() -> None:
    seen = Seen(announced(5, Arrival(8, "x", "s"), Arrival(9, "y", "s"), Arrival(10, "z", "s")), 5)
    found = awaited([comer(9, "s", place=(5, 1))], seen, {("other", 9)}, BOTH, LIMITS)
    assert [each.line for each in found[9]] == [8]


def test_lines_of_the_same_message_are_left_to_a_closer_look() -> None:
    seen = Seen(announced(3, Arrival(9, "x", "s")), 5)
    assert awaited([comer(0, "s")], seen, {("other", 9)}, BOTH, LIMITS) == {0: []}


def test_the_same_item_is_no_duplicate_of_itself() -> None:
    seen = Seen(announced(3, Arrival(9, "item0", "s")), 5)
    assert awaited([comer(0, "s")], seen, (), BOTH, LIMITS) == {0: []}


policies: st.SearchStrategy[DuplicatePolicy] = st.sampled_from(["keep", "link", "skip"])
some_arrivals = st.lists(
    st.builds(
        Arrival,
        st.integers(0, 9),
        st.sampled_from(["item0", "x", "y"]),
        st.sampled_from("ab"),
        st.sampled_from(HASHES),
    ),
    max_size=6,
)


@given(some_arrivals, st.sampled_from("ab"), st.sampled_from(HASHES), policies, policies, st.integers(0, 11))
def test_it_is_what_a_plain_loop_finds(
    others: list[Arrival],
    sha256: str,
    hash_: str,
    exact: DuplicatePolicy,
    near: DuplicatePolicy,
    most_bits: int,
) -> None:
    one = comer(0, sha256, hash_)
    expected = []
    for other in others:
        if other.item_id == one.arrival.item_id:
            continue
        if other.sha256 == sha256:
            if exact != "keep":
                expected.append((other.line, DuplicateKind.EXACT))
            continue
        hashes = hash_, other.perceptual_hash
        if near != "keep" and all(hashes) and distance_bits(*hashes) <= most_bits:
            expected.append((other.line, DuplicateKind.NEAR))
    seen = Seen(announced(3, *others), 5)
    found = awaited([one], seen, (), Wanted(exact, near), NearLimits(most_bits, 0.95))
    assert [(each.line, each.held.kind) for each in found[0]] == expected


def test_pictures_of_one_message_are_compared_by_their_vectors_too() -> None:
    one = comer(1, "a", HASHES[1])
    assert kind_between(one, comer(2, "b", HASHES[2]), BOTH, LIMITS) is DuplicateKind.NEAR
    assert kind_between(one, comer(2, "b", HASHES[2], vector=NORTH), BOTH, LIMITS) is None
    assert kind_between(one, comer(2, "b", HASHES[2], vector=None), BOTH, LIMITS) is None
    assert kind_between(one, comer(2, "b", HASHES[3]), BOTH, LIMITS) is None
    assert kind_between(one, comer(2, "b", HASHES[2]), Wanted("link", "keep"), LIMITS) is None
    assert kind_between(one, comer(2, "a", vector=None), BOTH, LIMITS) is DuplicateKind.EXACT
    assert kind_between(one, comer(2, "a", HASHES[1]), Wanted("keep", "link"), LIMITS) is None


def test_only_what_stands_before_in_the_message_counts() -> None:
    first, second = comer(4, "a", place=(5, 0)), comer(7, "a", place=(5, 1))
    assert list(before(second, [first, second], BOTH, LIMITS)) == [Held("item4", DuplicateKind.EXACT)]
    assert list(before(first, [first, second], BOTH, LIMITS)) == []
