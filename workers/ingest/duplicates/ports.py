"""What the search for duplicates needs of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.common.index.catalogue import Collection
from services.common.index.index import Stored
from services.common.index.twins import Look, Twin
from workers.ingest.duplicates.lines import LineState


class TwinIndex(Protocol):
    """Items with pictures that are the same; see `services.common.index.twins.Twins`."""

    async def prepare(self, collection: Collection) -> None:
        """Have the store index what is asked for."""

    async def of_ids(self, collection: Collection, tenant: str, ids: Sequence[str]) -> dict[str, Twin]:
        """The items of these ids that are there."""

    async def same(self, collection: Collection, tenant: str, digests: Sequence[str]) -> list[Twin]:
        """Items with these bytes."""

    async def alike(
        self,
        collection: Collection,
        tenant: str,
        looks: Sequence[Look],
        least_similarity: float,
        *,
        unlinked: bool = False,
    ) -> list[list[Twin]]:
        """Items that look the same, the most similar ones."""


class StoredIndex(Protocol):
    """What stands in the store; see `services.common.index.index.Index`."""

    async def stored(self, collection: Collection, tenant: str, ids: Sequence[str]) -> dict[str, Stored]:
        """What stands under each id."""


class LineStates(Protocol):
    """Lines of any job; see `workers.ingest.duplicates.lines.LedgerLines`."""

    def state(self, tenant: str, job_id: str, line: int) -> LineState:
        """What may become of a line. Blocks."""
