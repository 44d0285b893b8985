from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from services.common.jobs.folding import Entry, settle, shadowed_by_key
from services.common.jobs.records import LineOutcome, ManifestLine, Outcome

OUTCOMES = st.lists(st.sampled_from(list(Outcome)), max_size=8)


def entries(outcomes: list[Outcome]) -> list[Entry]:
    return [Entry(f"{number:04d}", LineOutcome(0, outcome)) for number, outcome in enumerate(outcomes)]


@given(OUTCOMES, st.randoms())
def test_the_order_in_which_files_are_listed_does_not_matter(outcomes: list[Outcome], dice: random.Random) -> None:
    listed = entries(outcomes)
    shuffled = listed[:]
    dice.shuffle(shuffled)
    assert settle(shuffled) == settle(listed)


@given(OUTCOMES)
def test_reading_a_file_twice_changes_nothing(outcomes: list[Outcome]) -> None:
    assert settle(entries(outcomes) * 2) == settle(entries(outcomes))


@given(OUTCOMES)
def test_a_line_that_was_taken_back_is_open_until_something_new_is_recorded(outcomes: list[Outcome]) -> None:
    assert settle(entries([*outcomes, Outcome.PENDING])) is None
    again = settle(entries([*outcomes, Outcome.PENDING, Outcome.STORED]))
    assert again is not None
    assert again.outcome is Outcome.STORED


@given(OUTCOMES)
def test_what_is_in_the_store_is_not_unsaid_by_a_later_failure(outcomes: list[Outcome]) -> None:
    found = settle(entries([*outcomes, Outcome.STORED, Outcome.FAILED]))
    assert found is not None
    assert found.outcome is Outcome.STORED


ENDED = [outcome for outcome in Outcome if outcome not in {Outcome.PENDING, Outcome.FAILED}]
LACKING = LineOutcome(0, Outcome.STORED, incomplete=("ocr",))


@given(OUTCOMES)
def test_a_line_that_fails_to_be_completed_is_what_it_was(before: list[Outcome]) -> None:
    history = [*(LineOutcome(0, outcome) for outcome in before), LineOutcome(0, Outcome.PENDING), LACKING]
    again = [*history, LineOutcome(0, Outcome.PENDING, incomplete=("ocr",))]
    assert settle(numbered(again)) is None
    assert settle(numbered([*again, LineOutcome(0, Outcome.FAILED)])) == LACKING
    for outcome in ENDED:
        found = settle(numbered([*again, LineOutcome(0, Outcome.FAILED), LineOutcome(0, outcome)]))
        assert found == LineOutcome(0, outcome)
    lost = [
        *again,
        LineOutcome(0, Outcome.FAILED),
        LineOutcome(0, Outcome.PENDING),
        LineOutcome(0, Outcome.FAILED),
    ]
    assert settle(numbered(lost)) == LineOutcome(0, Outcome.FAILED), "the item is gone, and the failure counts"


def test_of_two_runs_the_complete_one_holds() -> None:
    whole = LineOutcome(0, Outcome.STORED)
    assert settle(numbered([LACKING, whole])) == settle(numbered([whole, LACKING])) == whole


def numbered(outcomes: list[LineOutcome]) -> list[Entry]:
    return [Entry(f"{number:04d}", outcome) for number, outcome in enumerate(outcomes)]


@given(st.lists(st.sampled_from(["", "a", "b", "c"]), max_size=12))
def test_of_lines_with_one_client_key_only_the_last_is_left(keys: list[str]) -> None:
    merged = {outcome.line for outcome in shadowed_by_key([ManifestLine("x", key=key) for key in keys])}
    left = [key for number, key in enumerate(keys) if number not in merged]
    assert [key for key in left if not key] == [key for key in keys if not key]
    assert sorted(filter(None, left)) == sorted(set(filter(None, keys)))
    for key in filter(None, left):
        assert len(keys) - 1 - keys[::-1].index(key) not in merged
