"""Duplicates in the books of a job: counted, listed, proven."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.domain import DuplicateKind, DuplicateOf
from services.common.jobs.folding import count_duplicates
from services.common.jobs.ledger import JobLedger
from services.common.jobs.proof import CheckedPart, Proof, check_part
from services.common.jobs.records import DuplicateCounts, Job, JobSource, LineOutcome, ManifestLine, Outcome
from services.common.objects import open_objects
from services.common.revision import RevisionClock
from services.common.standing import Standing

TENANT = "shop"
EXACT, NEAR = DuplicateOf("first", DuplicateKind.EXACT), DuplicateOf("first", DuplicateKind.NEAR, 0.97)
LINES = 5000
"""More than one part of the manifest."""


@pytest.fixture
def ledger(tmp_path: Path) -> JobLedger:
    """A ledger of its own."""
    return JobLedger(open_objects(str(tmp_path)), RevisionClock())


def accept(ledger: JobLedger, lines: int = LINES) -> Job:
    """A job with so many lines."""
    manifest = [ManifestLine(str(number), key=str(number)) for number in range(lines)]
    return ledger.accept(TENANT, manifest, JobSource("upload"))


def outcome(line: int, first: DuplicateOf | None, *, skipped: bool = False) -> LineOutcome:
    """The end of a line."""
    if skipped and first:
        return LineOutcome(line, Outcome.SKIPPED, str(line), first.item_id, duplicate_of=first)
    return LineOutcome(line, Outcome.STORED, str(line), f"id{line}", duplicate_of=first)


def test_they_are_counted_by_kind_and_listed_page_by_page(ledger: JobLedger, tmp_path: Path) -> None:
    job = accept(ledger)
    found = [outcome(1, EXACT), outcome(4, NEAR, skipped=True), outcome(4500, EXACT, skipped=True)]
    ledger.record(job, [outcome(0, None), *found, outcome(4999, NEAR)])
    expected = DuplicateCounts(linked_exact=1, linked_near=1, skipped_exact=1, skipped_near=1)
    assert ledger.progress(TENANT, job.id).duplicates == expected
    assert [each.line for each in ledger.duplicates(TENANT, job.id)] == [1, 4, 4500, 4999]
    assert [each.line for each in ledger.duplicates(TENANT, job.id, after=1, limit=2)] == [4, 4500]
    assert ledger.duplicates(TENANT, job.id, after=4999) == []
    other = JobLedger(open_objects(str(tmp_path)), RevisionClock())
    assert other.duplicates(TENANT, job.id)[1] == found[1]


def test_what_was_counted_once_is_counted_the_same_by_the_next_process(ledger: JobLedger, tmp_path: Path) -> None:
    job = accept(ledger, lines=3)
    ledger.record(job, [outcome(0, None), outcome(1, EXACT), outcome(2, NEAR, skipped=True)])
    ledger.progress(TENANT, job.id)
    ledger.books.save_tally(job)
    other = JobLedger(open_objects(str(tmp_path)), RevisionClock())
    assert other.progress(TENANT, job.id).duplicates == DuplicateCounts(linked_exact=1, skipped_near=1)
    assert other.close(job).duplicates.total == 2
    assert ledger.progress(TENANT, job.id).duplicates.total == 2, "read from the closing marker"


ends = st.lists(st.tuples(st.sampled_from([None, EXACT, NEAR]), st.booleans()), max_size=12)


@given(ends, ends)
def test_counts_add_up(
    one: list[tuple[DuplicateOf | None, bool]], other: list[tuple[DuplicateOf | None, bool]]
) -> None:
    first = [outcome(line, each, skipped=skipped) for line, (each, skipped) in enumerate(one)]
    second = [outcome(line, each, skipped=skipped) for line, (each, skipped) in enumerate(other)]
    assert count_duplicates(first) + count_duplicates(second) == count_duplicates([*first, *second])
    assert count_duplicates(first).total == sum(each is not None for each, _ in one)


@pytest.mark.parametrize(("is_deleted", "expected"), [(False, 0), (True, 1)])
def test_the_proof_counts_them_and_tells_whose_first_was_deleted(
    ledger: JobLedger, is_deleted: bool, expected: int
) -> None:
    job, proof = accept(ledger, lines=1), Proof()
    first = Standing(1, deleted=is_deleted, job_id="other", line=3)
    part = CheckedPart(
        range(1), [ManifestLine("0")], {0: outcome(0, NEAR, skipped=True)}, {"first": first}, frozenset()
    )
    check_part(job, part, proof)
    assert proof.holds(job)
    assert (proof.duplicates, proof.firsts_deleted) == (DuplicateCounts(skipped_near=1), expected)
