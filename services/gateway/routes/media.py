"""/v1/media: put pictures before the job that names them."""

from __future__ import annotations

from fastapi import APIRouter, Response
from starlette.requests import Request

from services.common.errors import NotFoundError
from services.gateway.openapi import raw_picture_body
from services.gateway.schemas.items import MediaModel
from services.gateway.state import Tenant, TheGateway

router = APIRouter(prefix="/v1/media", tags=["media"])


@router.put("", status_code=201, openapi_extra=raw_picture_body())
async def put_media(request: Request, gateway: TheGateway, tenant: Tenant) -> MediaModel:
    """Keep a picture, without its metadata. It becomes an item when a job names its digest."""
    kept = await gateway.ingestion.keep(tenant, await request.body())
    header = kept.header
    return MediaModel(sha256=kept.sha256, mime=header.mime, width=header.width, height=header.height)


@router.head("/{sha256}", response_class=Response)
async def head_media(sha256: str, gateway: TheGateway, tenant: Tenant) -> Response:
    """Whether a picture was put: 200 or 404."""
    if not await gateway.ingestion.has_picture(tenant, sha256):
        raise NotFoundError("There is no such picture.")
    return Response(status_code=200)
