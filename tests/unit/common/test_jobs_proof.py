"""A proof holds if everything is there, and names each thing that is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.jobs.proof import SHOWN_FINDINGS, CheckedPart, Fault, Proof, check_part
from services.common.jobs.records import Job, JobSource, LineOutcome, ManifestLine, Outcome
from services.common.standing import Standing

SHA = "ab" * 32
JOB = Job("j", "shop", 100, 1, datetime(2026, 1, 1, tzinfo=UTC), JobSource("upload"))
LINE = ManifestLine("a.jpg", sha256=SHA, title="A cat")
WHOLE = Standing(100, deleted=False, job_id="j", line=0, vectors=frozenset({"image", "text", "bm25"}), sha256=SHA)
STORED = LineOutcome(0, Outcome.STORED, "a.jpg", "id-0")


def proof_of(
    outcome: LineOutcome | None = STORED,
    standing: Standing | None = WHOLE,
    line: ManifestLine | None = LINE,
    kept: frozenset[str] = frozenset({SHA}),
    job: Job = JOB,
) -> Proof:
    proof = Proof()
    part = CheckedPart(
        range(1),
        [line] if line else [],
        {0: outcome} if outcome else {},
        {"id-0": standing} if standing else {},
        kept,
    )
    check_part(job, part, proof)
    return proof


def test_what_is_whole_is_proven() -> None:
    proof = proof_of()
    assert proof.holds(JOB)
    assert (proof.present, proof.checked, proof.findings) == (1, 1, [])


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (proof_of(standing=None), Fault.NOT_STORED),
        (proof_of(standing=replace(WHOLE, revision=99)), Fault.OUTDATED),
        (proof_of(standing=replace(WHOLE, vectors=frozenset({"text"}))), Fault.NO_IMAGE_VECTOR),
        (proof_of(standing=replace(WHOLE, vectors=frozenset({"image"}))), Fault.NO_TEXT_VECTOR),
        (proof_of(kept=frozenset()), Fault.NO_PICTURE),
        (proof_of(line=None), Fault.NO_MANIFEST),
        (proof_of(LineOutcome(0, Outcome.FAILED, "a.jpg")), Fault.NO_REASON),
        (proof_of(LineOutcome(0, Outcome.STORED, "a.jpg")), Fault.NOT_STORED),
        (proof_of(LineOutcome(0, Outcome.SUPERSEDED, "", "id-0"), None), Fault.NOT_STORED),
        (proof_of(LineOutcome(0, Outcome.SKIPPED, "", "id-0"), None), Fault.NOT_STORED),
    ],
)
def test_what_is_not_in_order_is_named(broken: Proof, fault: Fault) -> None:
    assert not broken.holds(JOB)
    assert [found.fault for found in broken.findings] == [fault]


@pytest.mark.parametrize(
    ("proof", "replaced", "deleted"),
    [
        (proof_of(standing=Standing(101, deleted=False, job_id="k")), 1, 0),
        (proof_of(standing=Standing(101, deleted=True)), 0, 1),
        (proof_of(LineOutcome(0, Outcome.MERGED)), 0, 0),
        (proof_of(LineOutcome(0, Outcome.MERGED, "", "id-0"), replace(WHOLE, line=7)), 0, 0),
        (proof_of(LineOutcome(0, Outcome.SKIPPED, "", "id-0"), replace(WHOLE, revision=5)), 0, 0),
        (proof_of(LineOutcome(0, Outcome.FAILED, code="image_truncated")), 0, 0),
        (proof_of(line=ManifestLine("x", text="words"), standing=replace(WHOLE, sha256="")), 0, 0),
    ],
)
def test_what_came_after_or_needs_nothing_is_no_fault(proof: Proof, replaced: int, deleted: int) -> None:
    assert proof.holds(JOB)
    assert (proof.replaced, proof.deleted) == (replaced, deleted)


def test_an_incomplete_item_is_counted_and_no_fault() -> None:
    proof = proof_of(replace(STORED, incomplete=("captions",)))
    assert proof.holds(JOB)
    assert (proof.present, proof.incomplete) == (1, 1)


def test_a_job_that_has_not_ended_is_not_proven() -> None:
    assert not proof_of(None).holds(JOB)
    assert not proof_of().holds(replace(JOB, listed=False))
    assert not proof_of().holds(replace(JOB, total=2))


@given(st.lists(st.sampled_from(Outcome), min_size=1, max_size=300))
def test_every_line_is_counted_once(ends: list[Outcome]) -> None:
    job, proof = replace(JOB, total=len(ends)), Proof()
    outcomes = {n: LineOutcome(n, end, item_id="x") for n, end in enumerate(ends) if end is not Outcome.PENDING}
    part = CheckedPart(range(len(ends)), [LINE] * len(ends), outcomes, {}, frozenset())
    check_part(job, part, proof)
    assert proof.checked == len(ends)
    assert len(proof.findings) == min(SHOWN_FINDINGS, proof.faults.total()) == min(SHOWN_FINDINGS, len(outcomes))
