"""What one can do with a running job, and the proof of a finished one, in JSON."""

from __future__ import annotations

from pydantic import Field

from services.common.jobs.proof import Proof
from services.common.jobs.records import Job, JobProgress, Outcome, Retried
from services.gateway.pace import Pace
from services.gateway.schemas.base import RequestModel, ResponseModel
from services.gateway.schemas.job_duplicates import DuplicateCountsModel, duplicate_counts_model
from services.gateway.schemas.jobs import JobModel, job_model


class RetryRequest(RequestModel):
    """Which items are to be done again."""

    codes: list[str] = Field(default_factory=list, max_length=100)
    """Codes of failures, e.g. `image_worker_lost`; empty: all."""
    incomplete: bool = False
    """Instead of failures: stored items that an enrichment failed on. They stay searchable meanwhile."""


class RetryResponse(ResponseModel):
    """What is done again."""

    retried: int
    """Items that are done again now."""
    left: int
    """Failed items that cannot be: they failed when their source was read. Put it right and send it anew."""
    job: JobModel


class JobEventModel(JobModel):
    """One event of a job's stream."""

    rate_per_s: float | None
    """Items that came to their end in a second, over the last half minute; null: not known yet."""
    eta_s: float | None
    """Seconds until all are done at this rate; null: not known, or the source is still being read."""


class FindingModel(ResponseModel):
    """An item that is not in order."""

    line: int
    name: str
    id: str | None
    fault: str


class ProofModel(ResponseModel):
    """Whether everything that a job accepted is accounted for; `stored` to `pending` add up to `checked`."""

    job_id: str
    proven: bool
    """Every item has its end, and everything is where it should be."""
    listed: bool
    cancelled: bool
    """What is pending will never be done."""
    total: int
    checked: int
    stored: int
    merged: int
    superseded: int
    failed: int
    skipped: int
    pending: int
    present: int
    """Stored items that this job wrote last: each is there with its vectors and its picture."""
    replaced: int
    """Stored items that a newer write replaced."""
    deleted: int
    """Stored items that were deleted since."""
    incomplete: int
    """Stored items that lack an enrichment that failed."""
    duplicates: DuplicateCountsModel
    """Items whose picture was there before."""
    firsts_deleted: int
    """Items that were left out for the sake of another one that was deleted since."""
    faults: dict[str, int]
    """How many are not in order, by what is wrong; empty: none."""
    findings: list[FindingModel]
    """The first of these."""


def retry_model(retried: Retried, progress: JobProgress) -> RetryResponse:
    """The JSON form of what a retry did."""
    return RetryResponse(retried=retried.lines, left=retried.left, job=job_model(progress))


def job_event_model(progress: JobProgress, pace: Pace) -> JobEventModel:
    """The JSON form of one look at a job."""
    rate = pace.rate_per_s()
    eta = pace.eta_s(progress.pending) if progress.job.listed else None
    return JobEventModel(
        **dict(job_model(progress)),
        rate_per_s=None if rate is None else round(rate, 2),
        eta_s=None if eta is None else round(eta, 1),
    )


def proof_model(job: Job, proof: Proof) -> ProofModel:
    """The JSON form of a complete proof."""
    lines = proof.lines
    return ProofModel(
        job_id=job.id,
        proven=proof.holds(job),
        listed=job.listed,
        cancelled=proof.cancelled,
        total=job.total,
        checked=proof.checked,
        stored=lines[Outcome.STORED],
        merged=lines[Outcome.MERGED],
        superseded=lines[Outcome.SUPERSEDED],
        failed=lines[Outcome.FAILED],
        skipped=lines[Outcome.SKIPPED],
        pending=lines[Outcome.PENDING],
        present=proof.present,
        replaced=proof.replaced,
        deleted=proof.deleted,
        incomplete=proof.incomplete,
        duplicates=duplicate_counts_model(proof.duplicates),
        firsts_deleted=proof.firsts_deleted,
        faults={fault.value: found for fault, found in sorted(proof.faults.items())},
        findings=[
            FindingModel(line=found.line, name=found.name, id=found.item_id or None, fault=found.fault.value)
            for found in proof.findings
        ],
    )
