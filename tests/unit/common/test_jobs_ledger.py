from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.domain import Box, Position
from services.common.errors import InvalidRequestError, NotFoundError
from services.common.jobs import ledger as ledger_module
from services.common.jobs.layout import PART_LINES
from services.common.jobs.ledger import JobLedger
from services.common.jobs.messages import batches
from services.common.jobs.records import Job, JobSource, LineOutcome, ManifestLine, Outcome
from services.common.objects import LocalObjects, ObjectStore
from services.common.revision import RevisionClock

UPLOAD = JobSource("upload")


def new_ledger(folder: Path) -> JobLedger:
    return JobLedger(LocalObjects(folder), RevisionClock())


def lines(count: int) -> list[ManifestLine]:
    return [ManifestLine(f"{number}.jpg", sha256=f"{number:064x}") for number in range(count)]


class CutShortError(Exception):
    """Stands for a power cut."""


class FailingObjects(LocalObjects):
    """Real objects that stop working after a number of writes."""

    def __init__(self, root: Path, writes: int) -> None:
        super().__init__(root)
        self._writes = writes

    def put(self, name: str, data: bytes) -> None:
        if self._writes == 0:
            raise CutShortError
        self._writes -= 1
        super().put(name, data)


def test_an_accepted_job_is_read_back_by_another_process(tmp_path: Path) -> None:
    rich = ManifestLine(
        "a.jpg",
        key="sku-1",
        path="/data/a.jpg",
        title="红色连衣裙",
        tags=("a", "b"),
        metadata={"price": 3.5, "deep": {"x": [1]}},
        position=Position(page=2, box=Box(0, 0.1, 0.5, 1)),
    )
    accepted = new_ledger(tmp_path).accept(
        "shop", [rich, *lines(2)], JobSource("folder", "/data"), queue="interactive"
    )

    other = new_ledger(tmp_path)

    assert other.job("shop", accepted.id) == accepted
    assert other.lines(accepted, 0, 1) == [rich]
    assert other.open_jobs() == [("shop", accepted.id)]
    assert other.progress("shop", accepted.id).pending == 3


def test_lines_are_found_across_parts(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    job = ledger.accept("default", lines(PART_LINES + 10), UPLOAD)
    assert [line.name for line in ledger.lines(job, PART_LINES - 2, PART_LINES + 2)] == [
        f"{number}.jpg" for number in range(PART_LINES - 2, PART_LINES + 2)
    ]
    ledger.record(job, [LineOutcome(0, Outcome.STORED), LineOutcome(PART_LINES, Outcome.FAILED, code="x")])
    assert sorted(ledger.outcomes(job)) == [0, PART_LINES]
    assert sorted(ledger.outcomes(job, 1, PART_LINES + 5)) == [PART_LINES]


@pytest.mark.parametrize("writes", range(5))
def test_a_crash_before_the_header_leaves_no_job_and_the_same_id_can_be_accepted_later(
    tmp_path: Path, writes: int
) -> None:
    many = [ManifestLine("x", key="same") for _ in range(3)] + lines(PART_LINES)
    with pytest.raises(CutShortError):
        JobLedger(FailingObjects(tmp_path, writes), RevisionClock()).accept("default", many, UPLOAD, job_id="j1")

    ledger = new_ledger(tmp_path)
    with pytest.raises(NotFoundError):
        ledger.job("default", "j1")
    assert ledger.open_jobs() == []
    assert ledger.jobs("default", 10) == []

    job = ledger.accept("default", lines(2), UPLOAD, job_id="j1")
    assert ledger.open_jobs() == [("default", "j1")]
    assert ledger.jobs("default", 10) == [job]
    assert ledger.outcomes(job) == {}, "outcomes of the acceptance that was cut short count for nothing"


def test_accepting_an_id_again_changes_nothing(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    first = ledger.accept("default", lines(3), UPLOAD, job_id="nightly-7")
    assert ledger.accept("default", lines(9), UPLOAD, job_id="nightly-7") == first
    assert len(ledger.lines(first, 0, 99)) == 3


def test_of_many_who_begin_one_id_at_once_all_have_the_same_job(tmp_path: Path) -> None:
    def begin(number: int) -> Job:
        return new_ledger(tmp_path).begin("default", JobSource("folder", f"/{number}"), job_id="nightly-8")

    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(begin, range(16)))
    assert len({job.revision for job in jobs}) == 1
    assert new_ledger(tmp_path).jobs("default", 10) == jobs[:1]


def test_of_lines_with_one_client_key_the_last_is_worked_on(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    job = ledger.accept("default", [ManifestLine("old", key="k"), *lines(1), ManifestLine("new", key="k")], UPLOAD)
    progress = ledger.progress("default", job.id)
    assert (progress.merged, progress.pending) == (1, 2)
    assert list(ledger.outcomes(job)) == [0]


@pytest.mark.parametrize("job_id", ["../x", "a/b", "", ".", "a" * 65, "-a", "a.b"])
def test_names_that_would_leave_the_folder_are_refused(tmp_path: Path, job_id: str) -> None:
    ledger = new_ledger(tmp_path)
    with pytest.raises(NotFoundError):
        ledger.job("default", job_id)
    if job_id:
        with pytest.raises(InvalidRequestError):
            ledger.accept("default", lines(1), UPLOAD, job_id=job_id)
    with pytest.raises(InvalidRequestError):
        ledger.accept("../other", lines(1), UPLOAD)


def test_jobs_of_no_lines_or_too_many_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = new_ledger(tmp_path)
    with pytest.raises(InvalidRequestError, match="no items"):
        ledger.accept("default", [], UPLOAD)
    monkeypatch.setattr(ledger_module, "MAX_JOB_LINES", 2)
    with pytest.raises(InvalidRequestError, match="Split"):
        ledger.accept("default", lines(3), UPLOAD)


def test_text_that_is_not_unicode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="Unicode"):
        new_ledger(tmp_path).accept("default", [ManifestLine("\ud800.jpg")], UPLOAD)


def test_another_tenant_does_not_see_a_job(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    job = ledger.accept("ours", lines(1), UPLOAD)
    with pytest.raises(NotFoundError):
        ledger.progress("theirs", job.id)
    assert ledger.jobs("theirs", 10) == []


def test_jobs_are_listed_newest_first(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    made = [ledger.accept("default", lines(1), UPLOAD).id for _ in range(5)]
    assert [job.id for job in new_ledger(tmp_path).jobs("default", 3)] == made[::-1][:3]


def test_failures_are_paged_by_line(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    job = ledger.accept("default", lines(20), UPLOAD)
    ledger.record(job, [LineOutcome(number, Outcome.FAILED, code="x") for number in range(0, 20, 2)])
    ledger.record(job, [LineOutcome(number, Outcome.STORED) for number in range(1, 20, 2)])
    first = ledger.failures("default", job.id, limit=4)
    assert [found.line for found in first] == [0, 2, 4, 6]
    assert [found.line for found in ledger.failures("default", job.id, after=6)] == [8, 10, 12, 14, 16, 18]


def test_another_process_sees_what_was_recorded_while_it_runs(tmp_path: Path) -> None:
    worker, gateway = new_ledger(tmp_path), new_ledger(tmp_path)
    job = worker.accept("default", lines(3), UPLOAD)
    assert gateway.progress("default", job.id).state == "running"
    worker.record(job, [LineOutcome(0, Outcome.STORED, attempts=2)])
    seen = gateway.progress("default", job.id)
    assert (seen.stored, seen.pending, seen.attempts) == (1, 2, 2)
    worker.record(job, [LineOutcome(1, Outcome.MERGED), LineOutcome(2, Outcome.SUPERSEDED)])
    assert gateway.progress("default", job.id).state == "done"
    worker.close(job)
    closed = gateway.progress("default", job.id)
    assert closed.closed_at is not None
    assert (closed.stored, closed.merged, closed.superseded) == (1, 1, 1)
    assert gateway.open_jobs() == []


def test_a_cancelled_job_says_so_and_a_closed_one_stays_done(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    running, finished = (ledger.accept("default", lines(1), UPLOAD) for _ in range(2))
    ledger.cancel("default", running.id)
    assert ledger.is_cancelled(running)
    assert ledger.progress("default", running.id).state == "cancelled"
    ledger.record(finished, [LineOutcome(0, Outcome.STORED)])
    ledger.close(finished)
    ledger.cancel("default", finished.id)
    assert ledger.progress("default", finished.id).state == "done"


def test_attempts_that_never_ended_are_counted_for_a_line_and_for_its_batch(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    attempts = ledger.attempts
    job = ledger.accept("default", lines(70), UPLOAD)
    assert attempts.begin(job, 0, 64).earlier == 0
    assert attempts.earlier(job, 0, 64) == 1, "the first one died"
    assert attempts.earlier(job, 5, 6) == 1, "and it held line 5"
    assert attempts.earlier(job, 65, 66) == 0, "but not line 65"
    single = attempts.begin(job, 5, 6)
    assert attempts.earlier(job, 5, 6) == 2
    assert attempts.earlier(job, 6, 7) == 1
    attempts.end(job, single)
    assert attempts.earlier(job, 5, 6) == 1


def test_the_last_attempts_reason_is_kept(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path)
    job = ledger.accept("default", lines(2), UPLOAD)
    assert ledger.attempts.last_failure(job, 0, 1) == ""
    first = ledger.attempts.begin(job, 0, 1)
    assert ledger.attempts.last_failure(job, 0, 1) == "", "no reason: the process was lost"
    ledger.attempts.fail(job, first, "deadline_exceeded")
    assert ledger.attempts.last_failure(job, 0, 1) == "deadline_exceeded"
    assert ledger.attempts.earlier(job, 0, 1) == 1


@settings(max_examples=50, deadline=None)
@given(total=st.integers(1, 500))
def test_messages_cover_every_line_once(total: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    objects: ObjectStore = LocalObjects(tmp_path_factory.mktemp("ledger"))
    job = JobLedger(objects, RevisionClock()).accept("default", lines(total), UPLOAD)
    covered = [line for message in batches(job) for line in range(message.start, message.stop)]
    assert covered == list(range(total))
    singles = [single for message in batches(job) for single in message.singles()]
    assert [(single.start, single.stop) for single in singles] == [(line, line + 1) for line in range(total)]
