"""/v1/jobs: take many things in, and watch."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from starlette.requests import Request

from services.common.errors import InvalidRequestError
from services.common.jobs.records import JobOptions, JobSource
from services.gateway.bodies import is_form, only_parts, open_form, read_json_part, read_text_part
from services.gateway.error_handlers import show
from services.gateway.openapi import job_body
from services.gateway.problems import Problem
from services.gateway.schemas.base import parse
from services.gateway.schemas.job_duplicates import DuplicatesResponse, duplicates_response
from services.gateway.schemas.job_options import JobOptionsRequest
from services.gateway.schemas.jobs import (
    AcceptedJob,
    FailuresResponse,
    JobItem,
    JobModel,
    JobRequest,
    JobsResponse,
    failure_model,
    job_model,
)
from services.gateway.state import Gateway, Tenant, TheGateway
from services.gateway.strict_json import read_json, read_object
from services.gateway.uploads import FormFiles, Intake, rejections, take_items

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
_FILES, _ITEMS, _OPTIONS = "files", "items", "options"
SHOWN_REJECTIONS = 1000


@router.post("", status_code=202, response_model=AcceptedJob, openapi_extra=job_body())
async def post_job(request: Request, gateway: TheGateway, tenant: Tenant) -> AcceptedJob | Response:
    """Take in many items: files in a form, a list of items, or what lies on the server.

    Pictures are items at once. Any other file (PDF, text, ZIP, TAR, video, table) is opened by a worker, and what
    is in it becomes items: `listed` tells when all of them are known.
    """
    await gateway.ingestion.check_queue()
    if is_form(request):
        return await _accept(request, gateway, tenant, *await _read_form(request, gateway, tenant))
    asked = parse(JobRequest, read_object(await request.body()))
    if (asked.items is None) == (asked.source is None):
        raise InvalidRequestError("Send either 'items' or 'source'.")
    options = asked.options.options()
    if asked.source is not None:
        job = await gateway.ingestion.begin(tenant, asked.source.source(), options, asked.source.urls or ())
        return AcceptedJob(job_id=job.id, total=job.total, listed=job.listed, rejected=[])
    intake = await take_items(gateway.ingestion, gateway.files, tenant, asked.items or [])
    return await _accept(request, gateway, tenant, intake, options)


@router.get("")
async def list_jobs(
    gateway: TheGateway, tenant: Tenant, limit: Annotated[int, Query(ge=1, le=200)] = 20
) -> JobsResponse:
    """The newest jobs."""

    def read() -> list[JobModel]:
        return [job_model(gateway.ledger.progress(tenant, job.id)) for job in gateway.ledger.jobs(tenant, limit)]

    return JobsResponse(jobs=await asyncio.to_thread(read))


@router.get("/{job_id}")
async def get_job(job_id: str, gateway: TheGateway, tenant: Tenant) -> JobModel:
    """How far a job is."""
    return job_model(await asyncio.to_thread(gateway.ledger.progress, tenant, job_id))


@router.get("/{job_id}/failures")
async def get_failures(
    job_id: str,
    gateway: TheGateway,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[int, Query(ge=-1, description="The `next` of the page before.")] = -1,
) -> FailuresResponse:
    """What was given up, and why."""
    found = await asyncio.to_thread(gateway.ledger.failures, tenant, job_id, after, limit + 1)
    shown = found[:limit]
    more = len(found) > limit
    return FailuresResponse(
        failures=[failure_model(outcome) for outcome in shown], next=shown[-1].line if more else None
    )


@router.get("/{job_id}/duplicates")
async def get_duplicates(
    job_id: str,
    gateway: TheGateway,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[int, Query(ge=-1, description="The `next` of the page before.")] = -1,
) -> DuplicatesResponse:
    """What of a job was there before, and under which item, if the job asked for that."""
    found = await asyncio.to_thread(gateway.ledger.duplicates, tenant, job_id, after, limit + 1)
    return duplicates_response(found, limit)


async def _read_form(request: Request, gateway: Gateway, tenant: str) -> tuple[Intake, JobOptions]:
    # The two parts beside the pictures may come as files.
    async with open_form(request, files=gateway.upload_files + 2) as form:
        only_parts(form, {_FILES, _ITEMS, _OPTIONS})
        asked = parse(JobOptionsRequest, await read_json_part(form, _OPTIONS), where=_OPTIONS)
        text = await read_text_part(form, _ITEMS)
        described = _describe(read_json(text)) if text is not None else {}
        uploads = form.getlist(_FILES)
        files = FormFiles(gateway.ingestion, gateway.files, gateway.image_limits.max_bytes)
        return await files.take(tenant, uploads, described), asked.options()


def _describe(value: Any) -> dict[str, JobItem]:
    if not isinstance(value, list):
        raise InvalidRequestError(f"The part {_ITEMS!r} must be a JSON list of items, matched by 'name'.")
    items = [parse(JobItem, entry, where=f"items.{index}") for index, entry in enumerate(value)]
    return {item.name: item for item in items}


async def _accept(
    request: Request, gateway: Gateway, tenant: str, intake: Intake, options: JobOptions
) -> AcceptedJob | Response:
    rejected = rejections(intake)
    if not intake.entries:
        detail = "None of the items could be accepted." if rejected else "There is nothing to ingest there."
        extra = {"rejected": [entry.model_dump() for entry in rejected[:SHOWN_REJECTIONS]]}
        return show(request, Problem(422, "nothing_accepted", detail, extra=extra))
    if any(entry.upload for entry in intake.entries):
        job = await gateway.ingestion.begin_uploads(tenant, intake.entries, options)
    else:
        lines = [entry.line for entry in intake.entries]
        job = await gateway.ingestion.accept(tenant, lines, JobSource("upload"), options=options)
    return AcceptedJob(job_id=job.id, total=job.total, listed=job.listed, rejected=rejected[:SHOWN_REJECTIONS])
