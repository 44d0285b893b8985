"""Numbers by part, lines that are put back, and marks of a job: by several processes, in any order."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.common.errors import ConflictError
from services.common.jobs.folding import count
from services.common.jobs.layout import LISTED_PART_LINES
from services.common.jobs.ledger import JobLedger
from services.common.jobs.messages import batch_of
from services.common.jobs.records import Job, JobSource, LineOutcome, ManifestLine, Outcome, Retried
from services.common.objects import LocalObjects
from services.common.revision import RevisionClock

TENANT = "shop"
PART = LISTED_PART_LINES


class CountedObjects(LocalObjects):
    """Real objects that note what is read of outcomes."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read: list[str] = []
        self.listed: list[str] = []

    def get(self, name: str) -> bytes:
        if "/outcomes/" in name:
            self.read.append(name)
        return super().get(name)

    def list(self, prefix: str) -> list[str]:
        if "/outcomes/" in prefix:
            self.listed.append(prefix)
        return super().list(prefix)


class SetClock(RevisionClock):
    """The clock of a machine whose time is wrong."""

    def __init__(self, now: int) -> None:
        super().__init__()
        self._now = now

    def next(self, span: int = 1) -> int:
        self._now += span
        return self._now


def ledger_of(folder: Path) -> JobLedger:
    return JobLedger(LocalObjects(folder), RevisionClock())


def listed_job(ledger: JobLedger, parts: int) -> Job:
    job = ledger.begin(TENANT, JobSource("folder", "/photos"))
    for part in range(parts):
        names = [ManifestLine(f"{part}-{number}") for number in range(PART)]
        job = ledger.listing.extend(job, names, [], complete=part == parts - 1)
    return job


def end_part(ledger: JobLedger, job: Job, part: int, outcome: Outcome = Outcome.STORED, code: str = "") -> None:
    lines = range(part * PART, (part + 1) * PART)
    ledger.record(job, [LineOutcome(line, outcome, str(line), f"id-{line}", code) for line in lines])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_numbers_are_those_of_all_outcomes_whoever_recorded_and_asked(
    tmp_path: Path, data: st.DataObject
) -> None:
    ledgers = [ledger_of(tmp_path) for _ in range(3)]
    job = listed_job(ledgers[0], 3)
    known = [Outcome.STORED, Outcome.FAILED, Outcome.MERGED, Outcome.SKIPPED, Outcome.PENDING]
    for _ in range(data.draw(st.integers(1, 8))):
        writer = ledgers[data.draw(st.integers(0, 2))]
        part = data.draw(st.integers(0, 2))
        outcome = data.draw(st.sampled_from(known))
        lines = range(part * PART, (part + 1) * PART)[: data.draw(st.sampled_from([1, 64, PART]))]
        if outcome is Outcome.PENDING:
            writer.outcomes(job, lines.start, lines.stop)  # one must have read what one takes back
        writer.record(job, [LineOutcome(line, outcome, attempts=1) for line in lines])
        reader = ledgers[data.draw(st.integers(0, 2))]
        if data.draw(st.booleans()):
            reader.books.save_tally(job)
        reader.progress(TENANT, job.id)
    fresh = ledger_of(tmp_path)
    truth = count(fresh.outcomes(job))
    for ledger in [*ledgers, fresh, ledger_of(tmp_path)]:
        numbers = ledger.books.count(job, exact=True)
        assert numbers.counts == truth
        assert numbers.attempts == truth.total()
        open_lines = [line for part in ledger.books.open_lines(job) for line in part]
        assert len(open_lines) == job.total - truth.total()


def test_what_has_come_to_an_end_is_not_read_again_nor_by_the_next_process(tmp_path: Path) -> None:
    objects = CountedObjects(tmp_path)
    ledger = JobLedger(objects, RevisionClock())
    job = listed_job(ledger, 4)
    for part in range(3):
        end_part(ledger, job, part)
    assert ledger.progress(TENANT, job.id).stored == 3 * PART
    assert len(objects.read) == 3
    objects.listed.clear()
    assert ledger.progress(TENANT, job.id).stored == 3 * PART
    assert (len(objects.read), len(objects.listed)) == (3, 1), "only the part that is not done is looked at"
    ledger.books.save_tally(job)

    other_objects = CountedObjects(tmp_path)
    other = JobLedger(other_objects, RevisionClock())
    assert other.progress(TENANT, job.id).stored == 3 * PART
    assert (other_objects.read, len(other_objects.listed)) == ([], 1)
    ledger.record(job, [LineOutcome(5, Outcome.PENDING)])
    assert other.progress(TENANT, job.id).stored == 3 * PART - 1, "what was taken back is seen by all"


def test_a_second_run_that_succeeds_late_is_in_the_final_numbers(tmp_path: Path) -> None:
    ledger, straggler = ledger_of(tmp_path), ledger_of(tmp_path)
    job = listed_job(ledger, 1)
    end_part(ledger, job, 0, Outcome.FAILED, "internal")
    assert ledger.progress(TENANT, job.id).failed == PART
    straggler.record(job, [LineOutcome(3, Outcome.STORED)])
    assert (ledger.close(job).failed, ledger.close(job).stored) == (PART - 1, 1)


@pytest.mark.parametrize("ahead", [-(10**9), 10**9])
def test_a_machine_whose_clock_is_wrong_does_not_change_what_holds(tmp_path: Path, ahead: int) -> None:
    now = RevisionClock().next()
    right, wrong = (JobLedger(LocalObjects(tmp_path), SetClock(at)) for at in (now, now + ahead))
    job = listed_job(right, 1)
    right.record(job, [LineOutcome(0, Outcome.STORED)])
    assert wrong.outcomes(job)[0].outcome is Outcome.STORED
    wrong.record(job, [LineOutcome(0, Outcome.PENDING)])
    assert 0 not in right.outcomes(job), "taken back, whatever the clock says"
    right.record(job, [LineOutcome(0, Outcome.MERGED)])
    assert wrong.outcomes(job)[0].outcome is Outcome.MERGED, "and done again"


def test_failed_lines_are_done_again_as_if_for_the_first_time(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path)
    job = listed_job(ledger, 1)
    end_part(ledger, job, 0)
    ledger.record(job, [LineOutcome(PART - 1, Outcome.PENDING)])
    second = ledger.begin(TENANT, JobSource("folder", "/b"))
    rejected = LineOutcome(2, Outcome.FAILED, "two", code="forbidden", message="no", attempts=0)
    second = ledger.listing.extend(second, [ManifestLine(str(n)) for n in range(70)], [rejected], complete=True)
    ledger.attempts.begin(second, 0, 64)
    for _ in range(3):
        ledger.attempts.begin(second, 7, 8)
    done = [LineOutcome(n, Outcome.STORED, str(n)) for n in range(70) if n not in (2, 7, 69)]
    failed = [LineOutcome(7, Outcome.FAILED, "7", code="image_worker_lost", attempts=4)]
    ledger.record(second, [*done, *failed, LineOutcome(69, Outcome.FAILED, "69", code="internal", attempts=4)])
    closed = ledger.close(second)
    assert (closed.failed, closed.stored, ledger.open_jobs()) == (3, 67, [(TENANT, job.id)])

    assert ledger.replay.retry(second, ["image_worker_lost"]) == Retried(1, 0)
    assert ledger.attempts.earlier(second, 7, 8) == 0
    again = ledger_of(tmp_path).progress(TENANT, second.id)
    assert (again.closed_at, again.state, again.failed, again.pending) == (None, "running", 2, 1)
    assert sorted(ledger.open_jobs()) == sorted([(TENANT, job.id), (TENANT, second.id)])
    assert ledger.replay.retry(second) == Retried(1, 1), "what could not be read is not there to be done again"
    assert ledger.replay.retry(second) == Retried(0, 1), "the second time changes nothing"
    assert [line for part in ledger.books.open_lines(second) for line in part] == [7, 69]
    assert [found.line for found in ledger.failures(TENANT, second.id)] == [2]


def test_who_closes_a_job_while_lines_are_put_back_leaves_it_open(tmp_path: Path) -> None:
    """The two meet at every step: whatever comes first, open lines are of an open job."""

    class Meeting(LocalObjects):
        """Calls `act` before the write of the given number."""

        def __init__(self, root: Path, at: int) -> None:
            super().__init__(root)
            self.at, self.writes, self.met = at, 0, False

        def _step(self) -> None:
            self.writes += 1
            if self.writes == self.at and not self.met:
                self.met = True
                other.close(job)

        def put(self, name: str, data: bytes) -> None:
            self._step()
            super().put(name, data)

        def delete(self, name: str) -> None:
            self._step()
            super().delete(name)

    for at in range(1, 9):
        folder = tmp_path / str(at)
        other = ledger_of(folder)
        job = listed_job(other, 1)
        end_part(other, job, 0, Outcome.FAILED, "internal")
        other.close(job)
        meeting = Meeting(folder, at)
        assert JobLedger(meeting, RevisionClock()).replay.retry(job).lines == PART
        fresh = ledger_of(folder)
        progress = fresh.progress(TENANT, job.id)
        assert (progress.pending, progress.closed_at) == (PART, None), f"met at write {at}"
        assert fresh.open_jobs() == [(TENANT, job.id)]
    assert not meeting.met, "the steps were all tried"


def test_a_paused_job_says_so_and_a_cancelled_one_cannot_go_on(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path)
    job = listed_job(ledger, 1)
    ledger.control.pause(job)
    assert ledger_of(tmp_path).progress(TENANT, job.id).state == "paused"
    assert ledger.control.is_halted(job)
    assert ledger.control.resume(job)
    assert not ledger.control.resume(job)
    assert ledger.progress(TENANT, job.id).state == "running"
    ledger.cancel(TENANT, job.id)
    for act in (ledger.control.pause, ledger.control.resume, ledger.replay.retry):
        with pytest.raises(ConflictError, match="cancelled"):
            act(job)
    assert ledger.control.is_halted(job)


def test_what_was_known_when_a_part_was_listed_survives_a_crash_right_after(tmp_path: Path) -> None:
    class CutShortError(Exception):
        """Stands for a power cut."""

    class Dying(LocalObjects):
        def put(self, name: str, data: bytes) -> None:
            if "/outcomes/" in name:
                raise CutShortError
            super().put(name, data)

    ledger = JobLedger(Dying(tmp_path), RevisionClock())
    job = ledger.begin(TENANT, JobSource("folder", "/photos"))
    wrong = LineOutcome(1, Outcome.FAILED, "one", code="forbidden", message="no", attempts=0)
    with pytest.raises(CutShortError):
        ledger.listing.extend(job, [ManifestLine(str(number)) for number in range(3)], [wrong], complete=True)
    fresh = ledger_of(tmp_path)
    known = fresh.job(TENANT, job.id)
    assert (known.total, known.listed) == (3, True)
    assert fresh.listing.known_outcomes(known, 0) == (wrong,)
    assert batch_of(known, 1).stop == 3
