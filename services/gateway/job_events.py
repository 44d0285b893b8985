"""A job as a stream of events: how far it is, how fast, and how long yet; ends with the job."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

import structlog

from services.common.errors import ImageragError
from services.common.jobs.ledger import JobLedger
from services.common.jobs.proof import Proof
from services.common.jobs.records import Job, JobProgress
from services.common.web.event_stream import encode_event
from services.gateway.pace import Pace
from services.gateway.problems import problem_of
from services.gateway.schemas.job_control import job_event_model, proof_model

log = structlog.get_logger(__name__)
EVERY_S = 1.0
_MOST_BUSY = 10
"""Looking takes at most a tenth of the time, however long a job is."""


async def progress_events(ledger: JobLedger, tenant: str, job_id: str) -> AsyncGenerator[bytes, None]:
    """`progress` about once a second, then `done` with the last numbers; `error` if the ledger does not answer.

    A paused job goes on being reported; a job is done when each of its lines has an outcome, or it was cancelled.
    """
    pace = Pace()
    try:
        while True:
            started_s = time.monotonic()
            progress = await asyncio.to_thread(ledger.progress, tenant, job_id)
            now_s = time.monotonic()
            pace.look(now_s, progress.job.total - progress.pending)
            event = job_event_model(progress, pace).model_dump(mode="json")
            if has_ended(progress):
                yield encode_event("done", event)
                return
            yield encode_event("progress", event)
            await asyncio.sleep(max(EVERY_S, _MOST_BUSY * (now_s - started_s)))
    except Exception as error:  # the response has begun: an event is the only way left to say it
        yield _error(error)


async def proof_events(job: Job, proofs: AsyncGenerator[Proof, None]) -> AsyncGenerator[bytes, None]:
    """`progress` for each part of a job that was checked, then `done` with the whole proof, or `error`."""
    proof = Proof()
    try:
        async for proof in proofs:
            yield encode_event("progress", {"checked": proof.checked, "total": job.total})
        yield encode_event("done", proof_model(job, proof).model_dump(mode="json"))
    except Exception as error:  # as above
        yield _error(error)
    finally:
        await proofs.aclose()


def has_ended(progress: JobProgress) -> bool:
    """Whether nothing of the job will change by itself."""
    return progress.state in ("done", "cancelled")


def _error(error: Exception) -> bytes:
    if not isinstance(error, ImageragError):
        log.error("job_events_failed", exc_info=error)
    return encode_event("error", problem_of(error).document())
