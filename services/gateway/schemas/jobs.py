"""Ingestion jobs in JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from services.common.errors import InvalidRequestError
from services.common.jobs.records import JobProgress, JobState, LineOutcome, ManifestLine, SourceType
from services.gateway.schemas.base import RequestModel, ResponseModel
from services.gateway.schemas.items import ItemDraft
from services.gateway.schemas.job_duplicates import DuplicateCountsModel, duplicate_counts_model
from services.gateway.schemas.job_options import JobOptionsModel, JobOptionsRequest, job_options_model
from services.gateway.schemas.job_source import SourceModel

MAX_ITEMS = 10_000
"""Most items of one request; a longer list is a manifest on the server."""


class JobItem(ItemDraft):
    """An item of a job: words, a picture put by PUT /v1/media before, or a file put by PUT /v1/uploads."""

    sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    """The picture's digest; without it the item is its text."""
    upload: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    """The file's digest: everything in it becomes an item. It takes `name`, `tags` and `metadata` beside."""
    pictures: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    """Of a table with more pictures than a request may list: the digest of an uploaded list of them, JSON lines \
of `name` (as the table has it) and `sha256` (put by PUT /v1/media)."""
    name: str = Field(default="", max_length=512)
    """What you know it by; progress and failures name it. Of a file: its file name, for the suffix tells kinds."""

    def to_file_line(self, name: str) -> ManifestLine:
        """What is said about everything in an uploaded file.

        Args:
            name: Of the file.

        Raises:
            InvalidRequestError: Something is said that holds for a single item alone.
        """
        if self.sha256 or self.key or self.title or self.text or self.source_uri or self.document_id:
            raise InvalidRequestError(
                "A file takes no fields but name, tags and metadata: it may hold many items."
            )
        return ManifestLine(name, tags=tuple(self.tags), metadata=self.metadata)


class JobRequest(RequestModel):
    """Either items or a source."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"items": [{"sha256": "9f86d081" * 8, "title": "Red dress", "name": "dress.jpg"}]},
                {"items": [{"upload": "60303ae2" * 8, "name": "report.pdf", "tags": ["2026"]}]},
                {"source": {"type": "folder", "path": "/data/photos"}, "options": {"ocr": True}},
                {"source": {"type": "urls", "urls": ["https://example.com/dress.jpg"]}},
            ]
        }
    )

    items: list[JobItem] | None = Field(default=None, min_length=1, max_length=MAX_ITEMS, fail_fast=True)
    source: SourceModel | None = None
    options: JobOptionsRequest = Field(default_factory=JobOptionsRequest)

    @field_validator("items", mode="before")
    @classmethod
    def _not_too_many(cls, items: Any) -> Any:
        """Count before looking at each of them."""
        if isinstance(items, list) and len(items) > MAX_ITEMS:
            raise PydanticCustomError("too_long", f"there may be {MAX_ITEMS:,} items at most")
        return items


class Rejected(ResponseModel):
    """An item that was not taken into the job."""

    name: str
    code: str
    message: str


class AcceptedJob(ResponseModel):
    """A job that will be carried out, whatever happens to the processes."""

    job_id: str
    total: int
    """Items of the job; of a source or of uploaded files, those that are known already."""
    listed: bool
    """False: a worker is still to read the source or the files, and `total` will grow."""
    rejected: list[Rejected]
    """What was not taken into the job; what a worker finds wrong in a source is among the failures."""


class JobSourceModel(ResponseModel):
    """Where a job's items came from."""

    type: SourceType
    path: str
    """Of uploaded files: the name, if it is one file; of other uploads nothing."""


class JobModel(ResponseModel):
    """How far a job is; `stored` to `pending` add up to `total`."""

    id: str
    state: JobState
    created_at: datetime
    closed_at: datetime | None
    source: JobSourceModel
    options: JobOptionsModel
    total: int
    """Items that are known; final once `listed`."""
    listed: bool
    """The source was read to its end."""
    stored: int
    merged: int
    """The same item as another line of the job."""
    superseded: int
    """A newer write or delete of the item came first."""
    failed: int
    skipped: int
    """Duplicates that were left out because the job says so."""
    pending: int
    attempts: int
    incomplete: int
    """Stored items that an enrichment failed on; `retry` with `incomplete` does them again."""
    duplicates: DuplicateCountsModel
    """Items whose picture was there before, as far as the job asked for them."""


class JobsResponse(ResponseModel):
    """Jobs, newest first."""

    jobs: list[JobModel]


class FailureModel(ResponseModel):
    """An item that was given up."""

    line: int
    name: str
    id: str | None
    code: str
    message: str
    attempts: int


class FailuresResponse(ResponseModel):
    """Failures by line."""

    failures: list[FailureModel]
    next: int | None
    """Give it as `after` for the rest; null: these were the last."""


def job_model(progress: JobProgress) -> JobModel:
    """The JSON form of `progress`."""
    job = progress.job
    return JobModel(
        id=job.id,
        state=progress.state,
        created_at=job.created_at,
        closed_at=progress.closed_at,
        source=JobSourceModel(type=job.source.type, path=job.source.path),
        options=job_options_model(job.options),
        total=job.total,
        listed=job.listed,
        stored=progress.stored,
        merged=progress.merged,
        superseded=progress.superseded,
        failed=progress.failed,
        skipped=progress.skipped,
        pending=progress.pending,
        attempts=progress.attempts,
        incomplete=progress.incomplete,
        duplicates=duplicate_counts_model(progress.duplicates),
    )


def failure_model(outcome: LineOutcome) -> FailureModel:
    """The JSON form of a failed line."""
    return FailureModel(
        line=outcome.line,
        name=outcome.name,
        id=outcome.item_id or None,
        code=outcome.code,
        message=outcome.message,
        attempts=outcome.attempts,
    )
