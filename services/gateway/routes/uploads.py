"""/v1/uploads: put files of any kind before the job that names them."""

from __future__ import annotations

from fastapi import APIRouter, Response
from starlette.requests import Request

from services.common.errors import NotFoundError, UnsupportedMediaTypeError
from services.gateway.openapi import raw_file_body
from services.gateway.schemas.uploads import UploadModel
from services.gateway.state import Tenant, TheGateway

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])


@router.put("", status_code=201, openapi_extra=raw_file_body())
async def put_upload(request: Request, gateway: TheGateway, tenant: Tenant) -> UploadModel:
    """Keep a file of any kind until a job has opened it: an archive, a document, a video, a table.

    A job names its digest as an item's `upload`. What no job names within a day is removed.
    """
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise UnsupportedMediaTypeError("Send the bytes of the file as they are, and not a form.")
    upload = await gateway.files.receive(tenant, request.stream())
    return UploadModel(sha256=upload.sha256, size_bytes=upload.size_bytes)


@router.head("/{sha256}", response_class=Response)
async def head_upload(sha256: str, gateway: TheGateway, tenant: Tenant) -> Response:
    """Whether a file was put: 200 or 404."""
    if not await gateway.files.exists(tenant, sha256):
        raise NotFoundError("There is no such file.")
    return Response(status_code=200)
