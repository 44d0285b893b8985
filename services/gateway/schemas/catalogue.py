"""Whole items with their vectors in JSON, as they are listed; `catalogue_import` takes them as they are."""

from __future__ import annotations

from services.common.catalogue import CataloguePage
from services.common.domain import IndexedItem
from services.gateway.schemas.base import ResponseModel
from services.gateway.schemas.items import ItemModel, item_model
from services.gateway.schemas.vectors import ContractModel, VectorsModel, contract_model, vectors_model


class CatalogueItemModel(ItemModel):
    """A stored item with everything that is stored of it."""

    perceptual_hash: str
    """64-bit pHash of the picture as 16 hex digits; empty: none."""
    job_id: str
    line: int
    vectors: VectorsModel | None
    """null: not asked for."""


class CatalogueResponse(ResponseModel):
    """A page of items, in the order of their ids."""

    contract: ContractModel | None
    """null: nothing is stored yet."""
    items: list[CatalogueItemModel]
    next: str | None
    """Give it as `cursor` for the next page; null: this was the last one."""
    total: int | None
    """All items at this moment; on the first page alone."""


def catalogue_response(page: CataloguePage, *, first: bool, with_vectors: bool) -> CatalogueResponse:
    """The JSON form of `page`."""
    contract = page.contract
    return CatalogueResponse(
        contract=None if contract is None else contract_model(contract),
        items=[_item_model(entry.indexed, with_vectors) for entry in page.entries],
        next=page.following or None,
        total=page.total if first else None,
    )


def _item_model(indexed: IndexedItem, with_vectors: bool) -> CatalogueItemModel:
    media = indexed.item.media
    return CatalogueItemModel(
        **dict(item_model(indexed.item)),
        perceptual_hash=media.perceptual_hash if media else "",
        job_id=indexed.job_id,
        line=indexed.line,
        vectors=vectors_model(indexed.vectors) if with_vectors else None,
    )
