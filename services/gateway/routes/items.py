"""/v1/items: take one in, look it up, show its picture, delete it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from starlette.requests import Request

from services.common.errors import InvalidRequestError, NotFoundError, rebuild
from services.common.index import ids
from services.common.jobs.identity import key_of
from services.common.jobs.records import JobSource, LineOutcome, Outcome
from services.common.media.signatures import MIME
from services.gateway.bodies import PICTURE_PART, read_pictured
from services.gateway.door import leave_place
from services.gateway.ingestion import named
from services.gateway.openapi import pictured_body
from services.gateway.pictures import check_size, digest_of
from services.gateway.problems import Problem, problem_of
from services.gateway.schemas.base import parse
from services.gateway.schemas.items import AcceptedItem, ItemDraft, ItemModel, item_model
from services.gateway.state import Tenant, TheGateway

router = APIRouter(prefix="/v1/items", tags=["items"])
_IMAGE_HEADERS = {"Cache-Control": "private, max-age=86400", "Vary": "Authorization"}


@router.post(
    "",
    status_code=202,
    response_model=AcceptedItem,
    responses={201: {"model": AcceptedItem, "description": "Stored."}},
    openapi_extra=pictured_body(ItemDraft, "item"),
)
async def post_item(
    request: Request,
    response: Response,
    gateway: TheGateway,
    tenant: Tenant,
    wait_s: Annotated[float, Query(ge=0, le=60, description="Wait so long for it to be stored.")] = 0,
) -> AcceptedItem | Response:
    """Take in a picture, a text, or both. 202: accepted for good; 201: stored within `wait_s`."""
    body = await read_pictured(request, "item", gateway.image_limits.max_bytes)
    draft = parse(ItemDraft, body.document, where="item" if body.picture is not None else "")
    line = draft.to_line(body.file_name[:512])
    if body.picture is not None:
        await gateway.ingestion.check_queue()
        kept = await gateway.ingestion.keep(tenant, body.picture)
        line = draft.to_line(body.file_name[:512], kept.sha256)
    elif not (draft.text.strip() or draft.title.strip()):
        raise InvalidRequestError(f"Send a picture (part {PICTURE_PART!r}), a text, or a title.")
    line = named(line, 1)
    job = await gateway.ingestion.accept(tenant, [line], JobSource("upload"), queue="interactive")
    leave_place(request)
    outcome = await gateway.ingestion.wait(job, wait_s) if wait_s else None
    return _accepted(ids.item_id(tenant, key_of(line, line.sha256)), job.id, outcome, response)


@router.get("/{item_id}")
async def get_item(item_id: str, gateway: TheGateway, tenant: Tenant) -> ItemModel:
    """One item."""
    return item_model(await gateway.lookup.get_item(tenant, _checked(item_id)))


@router.delete("/{item_id}", status_code=204)
async def delete_item(item_id: str, gateway: TheGateway, tenant: Tenant) -> None:
    """Delete an item. A write of it that was accepted earlier does not bring it back."""
    if not await gateway.deleting.delete(tenant, _checked(item_id)):
        raise _no_such_item()


@router.get(
    "/{item_id}/image",
    response_class=Response,
    responses={
        200: {"content": {mime: {"schema": {"type": "string", "format": "binary"}} for mime in MIME.values()}},
        304: {"description": "The picture is the one that If-None-Match names."},
    },
)
async def get_image(
    item_id: str,
    request: Request,
    gateway: TheGateway,
    tenant: Tenant,
    size: Annotated[int | None, Query(description="Longest side in pixels: 256, 512 or 1024.")] = None,
) -> Response:
    """An item's picture, without metadata; with `size` a WebP thumbnail."""
    if size is not None:
        check_size(size)
    item = await gateway.lookup.get_item(tenant, _checked(item_id))
    headers = {**_IMAGE_HEADERS, "ETag": f'"{digest_of(item)}-{size or "full"}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    picture = await gateway.pictures.show(tenant, item, size)
    return Response(picture.data, media_type=picture.mime, headers=headers)


def _accepted(
    item_id: str, job_id: str, outcome: LineOutcome | None, response: Response
) -> AcceptedItem | Response:
    if outcome is None:
        return AcceptedItem(id=item_id, job_id=job_id, status="accepted")
    if outcome.outcome is Outcome.FAILED:
        return _failed(outcome, job_id)
    response.status_code = 201
    superseded = outcome.outcome is Outcome.SUPERSEDED
    return AcceptedItem(id=item_id, job_id=job_id, status="superseded" if superseded else "stored")


def _failed(outcome: LineOutcome, job_id: str) -> Response:
    """Always 422, whatever the code: the request was accepted, the item could not be used."""
    shown = problem_of(rebuild(outcome.code, outcome.message))
    return Problem(422, shown.code, shown.detail, shown.retryable, extra={"job_id": job_id}).response()


def _checked(item_id: str) -> str:
    """`item_id` in its one spelling: what is no UUID names no item."""
    try:
        return str(UUID(item_id))
    except ValueError:
        raise _no_such_item() from None


def _no_such_item() -> NotFoundError:
    return NotFoundError("There is no item with this id.")
