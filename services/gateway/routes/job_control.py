"""/v1/jobs/{job_id}/...: pause, resume, cancel, retry, watch and verify a job."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response
from starlette.requests import Request

from services.common.jobs.ledger import JobLedger
from services.common.jobs.records import JobProgress
from services.common.web.event_stream import EventStream, while_listening
from services.gateway.door import leave_place
from services.gateway.job_events import progress_events, proof_events
from services.gateway.openapi import optional_body
from services.gateway.schemas.base import parse
from services.gateway.schemas.job_control import (
    JobEventModel,
    ProofModel,
    RetryRequest,
    RetryResponse,
    proof_model,
    retry_model,
)
from services.gateway.schemas.jobs import JobModel, job_model
from services.gateway.state import Tenant, TheGateway
from services.gateway.strict_json import read_object

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
_EVENTS = "text/event-stream"


@router.post("/{job_id}/pause")
async def pause_job(job_id: str, gateway: TheGateway, tenant: Tenant) -> JobModel:
    """Let no further item of the job begin until it is resumed; what has begun is finished."""

    def pause(ledger: JobLedger) -> JobProgress:
        ledger.control.pause(ledger.job(tenant, job_id))
        return ledger.progress(tenant, job_id)

    return job_model(await asyncio.to_thread(pause, gateway.ledger))


@router.post("/{job_id}/resume")
async def resume_job(job_id: str, gateway: TheGateway, tenant: Tenant) -> JobModel:
    """Let a paused job go on, at once."""
    return job_model(await gateway.ingestion.resume(tenant, job_id))


@router.post("/{job_id}/cancel")
async def cancel_job(job_id: str, gateway: TheGateway, tenant: Tenant) -> JobModel:
    """Let no further item of the job begin; what is stored stays."""
    await asyncio.to_thread(gateway.ledger.cancel, tenant, job_id)
    return job_model(await asyncio.to_thread(gateway.ledger.progress, tenant, job_id))


@router.post("/{job_id}/retry", openapi_extra=optional_body(RetryRequest))
async def retry_job(job_id: str, request: Request, gateway: TheGateway, tenant: Tenant) -> RetryResponse:
    """Do failed items again, all or those with certain codes, or items that an enrichment failed on.

    A job that is closed is open again.
    """
    body = await request.body()
    asked = parse(RetryRequest, read_object(body)) if body else RetryRequest()
    return retry_model(*await gateway.ingestion.retry(tenant, job_id, asked.codes, incomplete=asked.incomplete))


@router.get(
    "/{job_id}/events",
    response_class=Response,
    responses={200: {"content": {_EVENTS: {}}, "model": JobEventModel}},
)
async def watch_job(job_id: str, request: Request, gateway: TheGateway, tenant: Tenant) -> Response:
    """Follow a job: `progress` about once a second with its rate and the time left, `done` at its end."""
    await asyncio.to_thread(gateway.ledger.job, tenant, job_id)
    leave_place(request)
    return EventStream(progress_events(gateway.ledger, tenant, job_id))


@router.get("/{job_id}/verify", response_model=ProofModel, responses={200: {"content": {_EVENTS: {}}}})
async def verify_job(job_id: str, request: Request, gateway: TheGateway, tenant: Tenant) -> ProofModel | Response:
    """Prove that everything the job accepted is accounted for, and stands in the store with vectors and picture.

    A job of a million items takes minutes: with `Accept: text/event-stream` come `progress`, then `done`.
    """
    job = await asyncio.to_thread(gateway.ledger.job, tenant, job_id)
    if _EVENTS in request.headers.get("accept", ""):
        return EventStream(proof_events(job, gateway.verification.run(job)))
    return proof_model(job, await while_listening(request.receive, gateway.verification.whole(job)))
