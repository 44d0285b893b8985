"""What the store writes down about a collection beside the engine's own files."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
from qdrant_client.http import models as m

from services.common.durable import write_durably

FILE_NAME = "collection.json"
"""A folder that lacks it is not (or no longer) a collection."""


@dataclass(frozen=True, slots=True)
class Description:
    """The content of `collection.json`.

    Attributes:
        name: The collection's name; the folder has a random one, so that no name can reach outside.
        created_at: ISO 8601, UTC.
        shard: Name of the engine's folder beside this file; a rebuilt index has another one.
        spec: The request that created the collection, as JSON.
        indexes: Payload field to the schema it was indexed with, as JSON.
        indexed_points: Points the collection had when its index was last built.
    """

    name: str
    created_at: str
    shard: str
    spec: dict[str, Any]
    indexes: dict[str, Any] = field(default_factory=dict)
    indexed_points: int = 0

    def collection_spec(self) -> m.CreateCollection:
        """The request that created the collection."""
        return m.CreateCollection.model_validate(self.spec)

    def with_index(self, field_name: str, schema: object) -> Description:
        """A field has been indexed."""
        return replace(self, indexes=self.indexes | {field_name: schema})

    def without_index(self, field_name: str) -> Description:
        """A field's index has been dropped."""
        return replace(self, indexes={name: kept for name, kept in self.indexes.items() if name != field_name})

    def with_shard(self, shard: str, indexed_points: int) -> Description:
        """The index has been built, maybe in another folder."""
        return replace(self, shard=shard, indexed_points=indexed_points)

    def with_metadata(self, change: dict[str, Any]) -> Description:
        """Merge into the collection's metadata; a null removes its key."""
        merged = (self.spec.get("metadata") or {}) | change
        kept = {name: value for name, value in merged.items() if value is not None}
        return replace(self, spec=self.spec | {"metadata": kept})

    def save(self, folder: Path) -> None:
        """Write it into the collection's folder, durably."""
        write_durably(folder / FILE_NAME, orjson.dumps(asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> Description:
        """Read it from the collection's folder."""
        return cls(**orjson.loads((folder / FILE_NAME).read_bytes()))
