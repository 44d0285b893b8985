"""The web page at / and its files."""

from __future__ import annotations

from fastapi import APIRouter, Response
from starlette.requests import Request

from services.gateway.page_files import PAGE_HEADERS
from services.gateway.state import Gateway, TheGateway

router = APIRouter(include_in_schema=False)


@router.get("/")
async def index(request: Request, gateway: TheGateway) -> Response:
    """The page."""
    return _file(request, gateway, "index.html")


@router.get("/docs")
async def docs(request: Request, gateway: TheGateway) -> Response:
    """The reference, drawn from /openapi.json by a script of our own: it works without the internet."""
    return _file(request, gateway, "docs.html")


@router.get("/page/{name:path}")
async def page_file(name: str, request: Request, gateway: TheGateway) -> Response:
    """A style, a script, an icon."""
    return _file(request, gateway, name)


def _file(request: Request, gateway: Gateway, name: str) -> Response:
    found = gateway.page.get(name)
    headers = {**PAGE_HEADERS, "etag": found.etag}
    if request.headers.get("if-none-match") == found.etag:
        return Response(status_code=304, headers=headers)
    return Response(found.data, media_type=found.mime, headers=headers)
