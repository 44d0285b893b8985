"""Which item a picture is a duplicate of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.common.domain import DuplicateKind, DuplicateOf, Position
from services.common.index.twins import Twin
from services.common.jobs.records import JobOptions
from workers.ingest.duplicates.choice import NearLimits, Wanted, exact_first, near_candidates, near_duplicate_of

LIMITS = NearLimits(6, 0.95)
HASH = "00000000ffffffff"
CLOSE = "00000000fffffffc"
FAR = "ffffffff00000000"


def twin(name: str, revision: int = 1, **changes: object) -> Twin:
    """An item that is there."""
    return replace(Twin(name, revision, "job", 0, "s", HASH, similarity=0.99), **changes)  # type: ignore[arg-type]


def linked(name: str, first: str, kind: DuplicateKind, revision: int = 1) -> Twin:
    """An item that is linked to another one."""
    return twin(name, revision, duplicate_of=DuplicateOf(first, kind))


def near_first(
    item_id: str, hash_: str, found: list[Twin], gone: Collection[str], limits: NearLimits
) -> DuplicateOf | None:
    """The best of the candidates, if a closer look agrees."""
    candidates = near_candidates(item_id, hash_, found, gone, limits)
    return near_duplicate_of(candidates[0]) if candidates else None


twins = st.lists(
    st.builds(
        twin,
        st.sampled_from("abcdef"),
        st.integers(1, 3),
        duplicate_of=st.none()
        | st.builds(DuplicateOf, st.sampled_from("abcdef"), st.sampled_from(list(DuplicateKind))),
        perceptual_hash=st.sampled_from([HASH, CLOSE, FAR, ""]),
        similarity=st.sampled_from([0.9, 0.96, 0.99]),
    ),
    unique_by=lambda found: found.id,
)


def test_a_job_asks_for_nothing_by_itself() -> None:
    assert not Wanted.of(JobOptions())
    assert Wanted.of(JobOptions(duplicates="link"))
    assert Wanted.of(JobOptions(near_duplicates="skip")).policy(DuplicateKind.NEAR) == "skip"


def test_the_first_with_the_same_bytes_is_the_oldest_that_is_no_copy() -> None:
    copy = linked("a", "x", DuplicateKind.EXACT, revision=1)
    assert exact_first("me", [twin("c", 3), copy, twin("b", 2)]) == DuplicateOf("b", DuplicateKind.EXACT)


def test_a_near_duplicate_is_the_first_of_its_own_bytes() -> None:
    near = linked("a", "x", DuplicateKind.NEAR)
    assert exact_first("me", [near]) == DuplicateOf("a", DuplicateKind.EXACT)


def test_once_the_first_was_deleted_its_oldest_copy_is_the_first() -> None:
    copies = [linked(name, "gone", DuplicateKind.EXACT, revision) for name, revision in (("c", 3), ("b", 2))]
    assert exact_first("me", copies) == DuplicateOf("b", DuplicateKind.EXACT)


def test_a_black_frame_of_a_video_is_nobodys_first() -> None:
    black = twin("a", perceptual_hash="", position=Position(timestamp_s=3))
    assert exact_first("me", [black]) is None
    assert exact_first("me", [black, twin("b", 7, perceptual_hash="")]) == DuplicateOf("b", DuplicateKind.EXACT)
    bright = twin("c", position=Position(timestamp_s=3))
    assert exact_first("me", [black, bright]) == DuplicateOf("c", DuplicateKind.EXACT)


@given(twins)
def test_nothing_is_a_duplicate_of_itself_or_of_what_points_to_it(found: list[Twin]) -> None:
    for item_id in "abcdef":
        by_id = {each.id: each for each in found}
        for first in (exact_first(item_id, found), near_first(item_id, HASH, found, (), LIMITS)):
            if first:
                assert first.item_id != item_id
                other = by_id[first.item_id].duplicate_of
                assert other is None or other.item_id != item_id


@given(twins, st.randoms())
def test_the_choice_does_not_depend_on_the_order_of_the_answer(found: list[Twin], dice: object) -> None:
    shuffled = list(found)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert exact_first("me", found) == exact_first("me", shuffled)
    assert near_first("me", HASH, found, {"a"}, LIMITS) == near_first("me", HASH, shuffled, {"a"}, LIMITS)


def test_both_hash_and_vector_must_be_close() -> None:
    assert near_first("me", CLOSE, [twin("a")], (), LIMITS) == DuplicateOf("a", DuplicateKind.NEAR, 0.99)
    assert near_first("me", FAR, [twin("a")], (), LIMITS) is None
    assert near_first("me", CLOSE, [twin("a", similarity=0.94)], (), LIMITS) is None


def test_a_picture_without_a_hash_looks_like_nothing() -> None:
    assert near_first("me", HASH, [twin("a", perceptual_hash="")], (), LIMITS) is None


def test_the_most_similar_is_taken_and_of_equals_the_oldest() -> None:
    found = [twin("a", 1, similarity=0.96), twin("c", 3, similarity=0.9900), twin("b", 2, similarity=0.9901)]
    assert near_first("me", HASH, found, (), LIMITS) == DuplicateOf("b", DuplicateKind.NEAR, 0.9901)


def test_links_lead_to_what_is_not_linked_itself_unless_that_leads_nowhere() -> None:
    chained = linked("b", "x", DuplicateKind.NEAR)
    assert near_first("me", HASH, [chained], (), LIMITS) is None
    found = near_first("me", HASH, [chained], {"x"}, LIMITS)
    assert found is not None
    assert found.item_id == "b"
