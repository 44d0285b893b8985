from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.common.index.index import Stored
from services.common.jobs.messages import BatchMessage
from services.common.jobs.records import Job, JobSource, LineOutcome, Outcome
from workers.reconcile.plan import Queued, is_due, lost, open_batches, to_verify


def job_of(total: int, revision: int = 100) -> Job:
    return Job("j", "default", revision, total, datetime(2026, 1, 1, tzinfo=UTC), JobSource("upload"))


@given(total=st.integers(1, 400), done=st.sets(st.integers(0, 399)))
def test_open_batches_hold_exactly_the_open_lines(total: int, done: set[int]) -> None:
    found = list(open_batches(job_of(total), (line for line in range(total) if line not in done)))
    held = [line for batch in found for line in batch.lines]
    assert held == [line for line in range(total) if line not in done]
    for batch in found:
        assert all(batch.message.start <= line < batch.message.stop for line in batch.lines)
        assert batch.message == BatchMessage(
            "j", "default", batch.message.start, min(batch.message.start + 64, total), "bulk"
        )


def test_a_batch_is_due_after_its_wait_which_doubles_each_time() -> None:
    assert not is_due(Queued(0, 1000), 1029, 30, queue_is_empty=True)
    assert is_due(Queued(0, 1000), 1030, 30, queue_is_empty=True)
    assert not is_due(Queued(2, 1000), 1119, 30, queue_is_empty=True)
    assert is_due(Queued(2, 1000), 1120, 30, queue_is_empty=True)


def test_while_messages_wait_the_reconciler_is_patient_but_not_for_ever() -> None:
    assert not is_due(Queued(0, 1000), 1100, 30, queue_is_empty=False)
    assert is_due(Queued(0, 1000), 1600, 30, queue_is_empty=False)
    assert is_due(Queued(50, 1000), 1000 + 30 * 64 * 20, 30, queue_is_empty=False)


def test_what_the_store_lost_is_taken_back_and_what_something_newer_replaced_is_not() -> None:
    names = ("here", "gone", "older", "newer", "deleted")
    claimed = to_verify(
        [LineOutcome(line, Outcome.STORED, item_id=name) for line, name in enumerate(names)]
        + [LineOutcome(9, Outcome.FAILED), LineOutcome(8, Outcome.SUPERSEDED, item_id="x")]
    )
    stored = {
        "here": Stored(100, deleted=False, job_id="j", line=0),
        "older": Stored(99, deleted=False),
        "newer": Stored(101, deleted=False),
        "deleted": Stored(101, deleted=True),
    }
    assert [(found.item_id, found.outcome) for found in lost(job_of(10), claimed, stored)] == [
        ("gone", Outcome.PENDING),
        ("older", Outcome.PENDING),
    ]
