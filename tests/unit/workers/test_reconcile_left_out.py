"""What the reconciler does about lines that were left out as duplicates."""

from __future__ import annotations

from services.common.domain import DuplicateKind, DuplicateOf
from services.common.index.index import Stored
from services.common.jobs.records import LineOutcome, Outcome
from workers.reconcile.plan import left_out, to_verify, without_first

FIRST = DuplicateOf("first", DuplicateKind.EXACT)
STORED = LineOutcome(0, Outcome.STORED, "a", "first")
SKIPPED = [LineOutcome(line, Outcome.SKIPPED, "b", "first", duplicate_of=FIRST) for line in (1, 2)]


def test_they_are_told_apart_from_what_is_stored() -> None:
    settled = [STORED, *SKIPPED, LineOutcome(3, Outcome.FAILED, code="x")]
    assert left_out(settled) == SKIPPED
    assert to_verify(settled) == {"first": STORED}


def test_they_stay_left_out_as_long_as_anything_stands_there() -> None:
    for stands in (Stored(1, deleted=False), Stored(9, deleted=True)):
        assert without_first(SKIPPED, {"first": stands}) == []


def test_they_are_done_again_once_nothing_does() -> None:
    assert without_first(SKIPPED, {"other": Stored(1, deleted=False)}) == [
        LineOutcome(line, Outcome.PENDING, "b") for line in (1, 2)
    ]
