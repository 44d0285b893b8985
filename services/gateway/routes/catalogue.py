"""/v1/catalogue: all items page by page, with their vectors; and items with vectors from another cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request

from services.common.catalogue import MAX_ENTRIES, CatalogueEntry, Imported
from services.gateway.openapi import json_body
from services.gateway.schemas.base import parse
from services.gateway.schemas.catalogue import CatalogueResponse, catalogue_response
from services.gateway.schemas.catalogue_import import ImportFailure, ImportRequest, ImportResponse
from services.gateway.state import Tenant, TheGateway
from services.gateway.strict_json import read_object

router = APIRouter(prefix="/v1/catalogue", tags=["catalogue"])


@router.get("")
async def list_items(
    gateway: TheGateway,
    tenant: Tenant,
    cursor: Annotated[str, Query(max_length=64, description="`next` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_ENTRIES)] = 100,
    vectors: Annotated[bool, Query(description="With the vectors; about 20 kB an item.")] = False,
) -> CatalogueResponse:
    """All items in an order of their own. What is added meanwhile may or may not be among them."""
    page = await gateway.catalogue.page(tenant, cursor, limit, with_vectors=vectors)
    return catalogue_response(page, first=not cursor, with_vectors=vectors)


@router.post("", openapi_extra=json_body(ImportRequest))
async def import_items(request: Request, gateway: TheGateway, tenant: Tenant) -> ImportResponse:
    """Store items with vectors that the same model made elsewhere; sending them again changes nothing."""
    asked = parse(ImportRequest, read_object(await request.body()))
    entries = [item.entry(tenant) for item in asked.items]
    results, missing = await gateway.catalogue.take(tenant, asked.contract.contract(), entries)
    failed = _failures(entries, results)
    stored = sum(result.stored for result in results)
    return ImportResponse(
        stored=stored,
        kept=len(results) - stored - len(failed),
        failed=failed,
        missing_pictures=missing,
    )


def _failures(entries: Sequence[CatalogueEntry], results: Sequence[Imported]) -> list[ImportFailure]:
    return [
        ImportFailure(
            index=index, key=entry.indexed.item.key, code=result.error.code, message=result.error.message
        )
        for index, (entry, result) in enumerate(zip(entries, results, strict=True))
        if result.error
    ]
