"""The store's use cases: Qdrant's models in, JSON out. Knows no HTTP; every method runs on the engine's thread."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import qdrant_edge as edge
from qdrant_client.http import models as m

from services.common.errors import UnimplementedError
from services.store.engine import engine_errors
from services.store.registry import Registry
from services.store.translate import writes
from services.store.translate.indexes import engine_index
from services.store.translate.limits import check_payload
from services.store.translate.results import Json
from services.store.translate.writes import Write


class StoreService:
    """Collections, aliases, payload indexes and writes.

    Args:
        registry: The open data folder.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def list_collections(self) -> Json:
        """All names."""
        return {"collections": [{"name": name} for name in self._registry.names()]}

    def create_collection(self, name: str, spec: m.CreateCollection) -> bool:
        """Make a collection."""
        check_payload(spec.metadata)
        self._registry.create(name, spec)
        return True

    def delete_collection(self, name: str) -> bool:
        """Delete a collection; False if there was none."""
        return self._registry.delete(name)

    def collection_exists(self, name: str) -> Json:
        """Whether a collection or an alias has that name."""
        return {"exists": self._registry.exists(name)}

    def collection_info(self, name: str) -> Json:
        """State and configuration of a collection."""
        return self._registry.get(name).info()

    def shards(self, name: str) -> Json:
        """The one shard of a collection, as a server of one node tells it."""
        points = self._registry.get(name).shard.info().points_count
        return {
            "peer_id": 0,
            "shard_count": 1,
            "local_shards": [{"shard_id": 0, "points_count": points, "state": "Active"}],
            "remote_shards": [],
            "shard_transfers": [],
        }

    def update_collection(self, name: str, change: m.UpdateCollection) -> bool:
        """Change a collection's metadata.

        Raises:
            UnimplementedError: The change is about anything else.
        """
        collection = self._registry.get(name)
        for field in change.model_fields_set - {"metadata"}:
            if getattr(change, field) is not None:
                raise UnimplementedError(f"Changing {field} of a collection is not offered by this store")
        if change.metadata is not None:
            check_payload(change.metadata)
            collection.describe(collection.description.with_metadata(change.metadata))
        return True

    def list_aliases(self, collection: str | None = None) -> Json:
        """All aliases, or those of one collection."""
        if collection is not None:
            collection = self._registry.get(collection).name
        return {
            "aliases": [
                {"alias_name": alias, "collection_name": own}
                for alias, own in self._registry.aliases().items()
                if collection in (None, own)
            ]
        }

    def change_aliases(self, change: m.ChangeAliasesOperation) -> bool:
        """Carry out all actions or none."""
        self._registry.change_aliases(change.actions)
        return True

    def create_index(self, name: str, request: m.CreateFieldIndex) -> int:
        """Index a payload field."""
        collection = self._registry.get(name)
        with engine_errors():
            operation = edge.UpdateOperation.create_field_index(
                request.field_name, engine_index(request.field_schema)
            )
        number = collection.write(Write(operation))
        schema = orjson.loads(request.model_dump_json(exclude_none=True))["field_schema"]
        collection.describe(collection.description.with_index(request.field_name, schema))
        return number

    def delete_index(self, name: str, field_name: str) -> int:
        """Drop the index of a payload field."""
        collection = self._registry.get(name)
        with engine_errors():
            operation = edge.UpdateOperation.delete_field_index(field_name)
        number = collection.write(Write(operation))
        collection.describe(collection.description.without_index(field_name))
        return number

    def write(self, name: str, operations: Sequence[m.UpdateOperation]) -> list[int]:
        """Apply operations in order; all are checked before the first is applied.

        Returns:
            Their numbers.

        Raises:
            InvalidRequestError: One is wrong, and nothing was applied, or the engine refused one, and those
                before it were.
            NotFoundError: The collection, or a point that an operation names, is not there.
        """
        collection = self._registry.get(name)
        with engine_errors():
            checked = [writes.operation_of(operation, collection.fields) for operation in operations]
        return [collection.write(write) for write in checked]
