"""/v1/search and /v1/facets."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request

from services.common.media.images import read_header
from services.gateway.bodies import PicturedBody, read_pictured
from services.gateway.openapi import pictured_body
from services.gateway.schemas.base import parse
from services.gateway.schemas.search import (
    FacetsResponse,
    SearchRequest,
    SearchResponse,
    facets_response,
    search_response,
)
from services.gateway.state import Gateway, Tenant, TheGateway

router = APIRouter(prefix="/v1", tags=["search"])
QUERY_PART = "query"


@router.post("/search", response_model=SearchResponse, openapi_extra=pictured_body(SearchRequest, QUERY_PART))
async def search(request: Request, gateway: TheGateway, tenant: Tenant) -> SearchResponse:
    """Find items by words, by a picture, or by both; each hit says why it is there."""
    body = await read_query(request, gateway)
    asked = parse(SearchRequest, body.document, where=QUERY_PART if body.picture is not None else "")
    return search_response(await gateway.retriever.search(asked.to_query(tenant, asked.text, body.picture)))


@router.get("/facets")
async def facets(
    gateway: TheGateway,
    tenant: Tenant,
    field: Annotated[str, Query(min_length=1, max_length=200, examples=["tags", "metadata.brand"])],
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
) -> FacetsResponse:
    """The most frequent values of a field."""
    return facets_response(await gateway.lookup.facet(tenant, field, limit=limit))


async def read_query(request: Request, gateway: Gateway) -> PicturedBody:
    """A body that may bring a picture to search with; the picture's header is checked here already.

    Raises:
        ImageError: The picture is not accepted.
    """
    body = await read_pictured(request, QUERY_PART, gateway.image_limits.max_bytes)
    if body.picture is not None:
        await asyncio.to_thread(read_header, body.picture, gateway.image_limits)
    return body
