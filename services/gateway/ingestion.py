"""The use case of taking things in: check, keep the bytes, write the ledger, tell the workers, perhaps wait."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from services.common.errors import InvalidRequestError, NotFoundError
from services.common.jobs.ledger import JobLedger
from services.common.jobs.prefixes import allowed_url, is_url
from services.common.jobs.records import (
    NO_OPTIONS,
    Job,
    JobOptions,
    JobProgress,
    JobSource,
    LineOutcome,
    ManifestLine,
    Outcome,
    Retried,
)
from services.common.jobs.roots import allowed, source_path
from services.common.media.images import ImageHeader, ImageLimits, read_header
from services.common.media.store import MediaStore
from services.common.uploads.records import UploadedEntry
from services.common.uploads.store import UploadStore
from services.gateway.queue_gate import QueueGate
from services.gateway.submission import Submission

_FIRST_LOOK_S = 0.03
_SLOWEST_LOOK_S = 0.5
_WEB = ("http://", "https://")
Queue = Literal["interactive", "bulk"]


@dataclass(frozen=True)
class KeptPicture:
    """A picture in the media store."""

    sha256: str
    header: ImageHeader


class Ingestion:
    """Accepts items and jobs. When a call returns, what it accepted survives any crash.

    Args:
        ledger: The truth about jobs.
        media: Keeps the bytes.
        submission: The way to the workers.
        gate: Says whether it is open.
        limits: What pictures are accepted.
        uploads: Knows the uploaded files.
        roots: Folders that server-side sources may read.
        prefixes: URLs of object storage that they may read.
    """

    def __init__(
        self,
        ledger: JobLedger,
        media: MediaStore,
        submission: Submission,
        gate: QueueGate,
        limits: ImageLimits,
        uploads: UploadStore,
        roots: Sequence[Path],
        prefixes: Sequence[str],
    ) -> None:
        self._ledger, self._media, self._submission = ledger, media, submission
        self._gate = gate
        self._limits, self._uploads = limits, uploads
        self._roots, self._prefixes = tuple(roots), tuple(prefixes)

    async def check_queue(self) -> None:
        """Find out before anything is written whether a job can be submitted.

        Raises:
            UnavailableError: The broker does not take jobs.
        """
        await self._gate.check()

    async def keep(self, tenant: str, data: bytes) -> KeptPicture:
        """Check a picture by its header and keep it without its metadata.

        Raises:
            ImageError: It is not accepted.
        """
        header = await asyncio.to_thread(read_header, data, self._limits)
        return KeptPicture(await asyncio.to_thread(self._media.put, tenant, data), header)

    async def has_picture(self, tenant: str, sha256: str) -> bool:
        """Whether the tenant has put this picture."""
        return await asyncio.to_thread(self._media.exists, tenant, sha256)

    async def accept(
        self,
        tenant: str,
        lines: Sequence[ManifestLine],
        source: JobSource,
        queue: Queue = "bulk",
        options: JobOptions = NO_OPTIONS,
    ) -> Job:
        """Make a job of `lines` and queue it.

        Raises:
            InvalidRequestError: There are no lines.
            UnavailableError: The broker does not take jobs; nothing was written.
        """
        if not lines:
            raise InvalidRequestError("There is nothing to ingest.")
        await self.check_queue()
        return await asyncio.to_thread(self._accept, tenant, lines, source, queue, options)

    async def begin(
        self,
        tenant: str,
        source: JobSource,
        options: JobOptions = NO_OPTIONS,
        asked: Sequence[str] = (),
    ) -> Job:
        """Make a job of what a worker can reach: what lies on the server, in object storage, or on the web.

        Args:
            tenant: Whose job.
            source: What is to be read.
            options: What else is to be done.
            asked: URLs, if the request lists them.

        Raises:
            ForbiddenError: It lies outside the configured roots.
            NotFoundError: There is nothing of this name.
            UnavailableError: The broker does not take jobs; nothing was written.
        """
        await self.check_queue()
        return await asyncio.to_thread(self._begin, tenant, source, options, asked)

    async def begin_uploads(self, tenant: str, entries: Sequence[UploadedEntry], options: JobOptions) -> Job:
        """Make a job of files that were uploaded, and of what goes with them; a worker opens the files.

        Raises:
            NotFoundError: One of the files is not there any more.
            UnavailableError: The broker does not take jobs; nothing was written.
        """
        await self.check_queue()
        return await asyncio.to_thread(self._begin_uploads, tenant, entries, options)

    async def resume(self, tenant: str, job_id: str) -> JobProgress:
        """Let a paused job go on.

        Raises:
            NotFoundError: The tenant has no such job.
            ConflictError: It was cancelled.
        """
        return await asyncio.to_thread(self._resume, tenant, job_id)

    async def retry(
        self, tenant: str, job_id: str, codes: Collection[str], *, incomplete: bool = False
    ) -> tuple[Retried, JobProgress]:
        """Do failed lines again; errors as in `resume`.

        Args:
            tenant: Whose job.
            job_id: Which one.
            codes: Of the failures that are meant; none: all.
            incomplete: Instead, stored lines that an enrichment failed on.

        Raises:
            InvalidRequestError: Codes of failures, and no failures are meant.
        """
        if incomplete and codes:
            raise InvalidRequestError("Send either 'codes' or 'incomplete'.")
        return await asyncio.to_thread(self._retry, tenant, job_id, codes, incomplete)

    async def wait(self, job: Job, wait_s: float) -> LineOutcome | None:
        """The end of a one-line job, or None if it does not come within `wait_s`."""
        loop = asyncio.get_running_loop()
        give_up_at, pause_s = loop.time() + wait_s, _FIRST_LOOK_S
        while loop.time() < give_up_at:
            await asyncio.sleep(min(pause_s, max(0.0, give_up_at - loop.time())))
            outcome = (await asyncio.to_thread(self._ledger.outcomes, job)).get(0)
            if outcome is not None and outcome.outcome is not Outcome.PENDING:
                return outcome
            pause_s = min(pause_s * 1.5, _SLOWEST_LOOK_S)
        return None

    def _resume(self, tenant: str, job_id: str) -> JobProgress:
        job = self._ledger.job(tenant, job_id)
        if self._ledger.control.resume(job):
            self._submission.requeue(job)
        return self._ledger.progress(tenant, job_id)

    def _retry(
        self, tenant: str, job_id: str, codes: Collection[str], incomplete: bool
    ) -> tuple[Retried, JobProgress]:
        job = self._ledger.job(tenant, job_id)
        replay = self._ledger.replay
        retried = replay.complete(job) if incomplete else replay.retry(job, codes)
        if retried.lines:
            self._submission.requeue(job)
        return retried, self._ledger.progress(tenant, job_id)

    def _begin_uploads(self, tenant: str, entries: Sequence[UploadedEntry], options: JobOptions) -> Job:
        job_id = uuid.uuid4().hex
        self._uploads.write_set(tenant, job_id, entries)
        known_by = entries[0].line.name if len(entries) == 1 else ""
        job = self._ledger.begin(tenant, JobSource("upload", known_by), job_id=job_id, options=options)
        self._submission.publish(job)
        return job

    def _begin(self, tenant: str, source: JobSource, options: JobOptions, asked: Sequence[str]) -> Job:
        if not asked:
            self._check_source(source)
        job = self._ledger.begin(tenant, source, options=options, asked=asked)
        self._submission.publish(job)
        return job

    def _check_source(self, source: JobSource) -> None:
        """Refuse at once what a worker would refuse; what the web holds, workers alone know."""
        if source.path.lower().startswith(_WEB) and source.type in ("auto", "urls"):
            return
        if is_url(source.path) and source.type in ("auto", "prefix"):
            allowed_url(source.path, self._prefixes)
        elif not allowed(source_path(source.path), self._roots).exists():
            raise NotFoundError(f"There is no {source.path[:200]!r} on the server.")

    def _accept(
        self,
        tenant: str,
        lines: Sequence[ManifestLine],
        source: JobSource,
        queue: Queue,
        options: JobOptions,
    ) -> Job:
        job = self._ledger.accept(tenant, lines, source, queue=queue, options=options)
        self._submission.publish(job)
        return job


def named(line: ManifestLine, number: int) -> ManifestLine:
    """`line` with a name a person can find again: its own, else its key or title, else its number from 1."""
    return replace(line, name=line.name or line.key or line.title[:80] or f"#{number}")


def missing_picture(sha256: str) -> NotFoundError:
    """The error for an item whose picture was not put before."""
    return NotFoundError(f"There is no picture {sha256[:12]}…: send its bytes to PUT /v1/media first.")
