"""The backlog's numbers are the ledger's, however outcomes arrive."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from services.common.jobs import encoding
from services.common.jobs.backlog import BacklogCount, JobCount
from services.common.jobs.folding import Entry, settle
from services.common.jobs.ledger import JobLedger
from services.common.jobs.records import Job, JobSource, LineOutcome, ManifestLine, Outcome
from services.common.objects import LocalObjects
from services.common.revision import RevisionClock

LINES = 4
FILES = st.lists(
    st.tuples(
        st.integers(1, 99), st.lists(st.tuples(st.integers(0, LINES - 1), st.sampled_from(Outcome)), min_size=1)
    ),
    unique_by=lambda file: file[0],
    max_size=8,
)


def job_of(total: int) -> Job:
    return encoding.JOB.validate_python(
        {"id": "j", "tenant": "t", "revision": 1, "total": total, "created_at": 0, "source": {"type": "upload"}}
    )


@given(FILES)
def test_pending_lines_are_those_that_folding_finds_unsettled(
    files: list[tuple[int, list[tuple[int, Outcome]]]],
) -> None:
    count = JobCount(job_of(LINES))
    entries: dict[int, list[Entry]] = {line: [] for line in range(LINES)}
    for order, records in files:
        name = f"{order:016d}-x.jsonl"
        outcomes = [LineOutcome(line, outcome) for line, outcome in records]
        count.add(0, name, encoding.encode_lines(encoding.OUTCOME, outcomes))
        for found in outcomes:
            entries[found.line].append(Entry(name, found))
        unsettled = [line for line, known in entries.items() if settle(known) is None]
        assert count.pending == len(unsettled)


def test_only_open_lines_of_open_jobs_count_by_queue_and_age(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    ledger = JobLedger(objects, RevisionClock())
    backlog = BacklogCount(JobLedger(objects, RevisionClock()), objects)
    assert (backlog.look().items, backlog.look().oldest_at, backlog.look().open_jobs) == ({}, {}, 0)

    lines = [ManifestLine(str(number)) for number in range(5000)]  # two parts
    first = ledger.accept("a", lines, JobSource("upload"))
    second = ledger.accept("b", lines[:3], JobSource("upload"), queue="interactive")
    assert backlog.look().items == {"bulk": 5000, "interactive": 3}
    assert backlog.look().oldest_at == {"bulk": first.created_at, "interactive": second.created_at}

    ledger.record(first, [LineOutcome(line, Outcome.STORED) for line in range(5000)])
    ledger.record(second, [LineOutcome(0, Outcome.FAILED)])
    assert backlog.look().items == {"interactive": 2}
    assert backlog.look().oldest_at == {"interactive": second.created_at}
    assert (backlog.look().open_jobs, backlog.look().oldest_open_at) == (2, first.created_at)

    ledger.record(first, [LineOutcome(4999, Outcome.PENDING)])
    assert backlog.look().items == {"bulk": 1, "interactive": 2}
    ledger.cancel("b", second.id)
    assert backlog.look().items == {"bulk": 1}
    ledger.record(first, [LineOutcome(4999, Outcome.MERGED)])
    ledger.close(first)
    ledger.close(second)
    assert backlog.look().open_jobs == 0


def test_each_file_of_outcomes_is_read_once(tmp_path: Path) -> None:
    class Counting(LocalObjects):
        read = 0

        def get(self, name: str) -> bytes:
            type(self).read += "/outcomes/" in name
            return super().get(name)

    objects = Counting(tmp_path)
    ledger = JobLedger(objects, RevisionClock())
    job = ledger.accept("a", [ManifestLine("x"), ManifestLine("y")], JobSource("upload"))
    backlog = BacklogCount(ledger, objects)
    ledger.record(job, [LineOutcome(0, Outcome.STORED)])
    for _ in range(3):
        assert backlog.look().items == {"bulk": 1}
    assert Counting.read == 1
