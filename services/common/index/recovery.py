"""What a collection is besides its points: written down beside a snapshot, and made again from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import BaseModel, TypeAdapter
from qdrant_client import models

from services.common.domain import JsonObject
from services.common.errors import ConflictError, FingerprintMismatchError
from services.common.index.connection import (
    StoreExistsError,
    StoreNotFoundError,
    connect_blocking,
    store_errors,
)
from services.common.index.contract import EmbeddingContract

D = TypeVar("D", bound=BaseModel)
_FIELD_SCHEMA: TypeAdapter[Any] = TypeAdapter(models.PayloadFieldSchema)
_TAKEN_OVER = ("shard_number", "replication_factor", "write_consistency_factor", "on_disk_payload")


@dataclass(frozen=True)
class CollectionRecord:
    """A collection without its points.

    Attributes:
        name: Physical name.
        contract: What its vectors were made by.
        config: Qdrant's own description of it.
        indexes: Payload field to the schema it is indexed with.
    """

    name: str
    contract: EmbeddingContract
    config: JsonObject
    indexes: JsonObject

    @property
    def shards(self) -> int:
        """Into how many the points are divided."""
        params: Mapping[str, Any] = self.config["params"]
        return int(params.get("shard_number") or 1)


class Catalogue:
    """Collections and aliases for who looks after them. A context manager; every call blocks.

    Args:
        url: Of Qdrant's REST interface.
        api_key: Sent with every call if given.
        ca_path: Authority of an https address, PEM; None: the public ones.
        timeout_s: Longest wait for an answer.
    """

    def __init__(self, url: str, *, api_key: str | None, ca_path: Path | None, timeout_s: int = 60) -> None:
        self._client = connect_blocking(url, api_key=api_key, timeout_s=timeout_s, ca_path=ca_path)

    def __enter__(self) -> Self:
        """Nothing is opened before the first call."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._client.close()

    def version(self) -> str:
        """Of the server."""
        with store_errors():
            return str(self._client.info().version)

    def describe(self, name: str) -> CollectionRecord | None:
        """The collection of this name or alias; None if there is none.

        Raises:
            ConflictError: It is there, and not one of ours.
        """
        try:
            with store_errors():
                info = self._client.get_collection(name)
        except StoreNotFoundError:
            return None
        contract = EmbeddingContract.from_metadata(info.config.metadata)
        if contract is None:
            raise ConflictError(
                f"The collection {name!r} was not made by imagerag: it names no embedding contract."
            )
        indexes = {field: _schema(index) for field, index in info.payload_schema.items()}
        config = info.config.model_dump(mode="json", exclude_none=True)
        return CollectionRecord(self.behind(name) or name, contract, config, indexes)

    def behind(self, alias: str) -> str | None:
        """The collection that an alias leads to; None if it is no alias."""
        with store_errors():
            aliases = self._client.get_aliases().aliases
        return next((found.collection_name for found in aliases if found.alias_name == alias), None)

    def count(self, name: str) -> int:
        """All points, tombstones too, exactly."""
        with store_errors():
            return int(self._client.count(name, exact=True).count)

    def recreate(self, record: CollectionRecord) -> bool:
        """Make the collection without its points; True if it was not there.

        Raises:
            FingerprintMismatchError: One of that name is there, and its vectors are another model's.
            ConflictError: It has another number of shards.
        """
        there = self.describe(record.name)
        if there is None:
            self._create(record)
            return True
        if there.contract != record.contract:
            raise FingerprintMismatchError.between(expected=record.contract.label, actual=there.contract.label)
        if there.shards != record.shards:
            raise ConflictError(
                f"The collection {record.name!r} has {there.shards} shards, the snapshot {record.shards}. "
                "Delete the collection first; it is then made as it was."
            )
        return False

    def _create(self, record: CollectionRecord) -> None:
        try:
            with store_errors():
                self._client.create_collection(record.name, **_creation(record.config))
        except StoreExistsError:
            raise ConflictError(f"The collection {record.name!r} was made by somebody else just now.") from None
        for field, schema in record.indexes.items():
            with store_errors():
                self._client.create_payload_index(
                    record.name, field, field_schema=_FIELD_SCHEMA.validate_python(schema), wait=True
                )

    def point_alias(self, alias: str, name: str, *, switch: bool = False) -> None:
        """Let the alias lead to a collection.

        Args:
            alias: The alias.
            name: The collection.
            switch: Also if it leads elsewhere now.

        Raises:
            ConflictError: It leads elsewhere, and `switch` was not given.
        """
        current = self.behind(alias)
        if current == name:
            return
        if current is not None and not switch:
            raise ConflictError(f"The alias {alias!r} leads to {current!r} now, and would lead to {name!r}.")
        made = models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=alias))
        with store_errors():
            self._client.update_collection_aliases(change_aliases_operations=[made])


def _schema(index: models.PayloadIndexInfo) -> object:
    if index.params is None:
        return index.data_type.value
    return index.params.model_dump(mode="json", exclude_none=True)


def _creation(config: JsonObject) -> dict[str, Any]:
    """Arguments of `create_collection` that make a collection of this description."""
    described = models.CollectionConfig.model_validate(config)
    params = described.params
    return {name: getattr(params, name) for name in _TAKEN_OVER} | {
        "vectors_config": params.vectors,
        "sparse_vectors_config": params.sparse_vectors,
        "hnsw_config": _as_change(models.HnswConfigDiff, described.hnsw_config),
        "optimizers_config": _as_change(models.OptimizersConfigDiff, described.optimizer_config),
        "wal_config": _as_change(models.WalConfigDiff, described.wal_config),
        "quantization_config": described.quantization_config,
        "metadata": described.metadata,
    }


def _as_change(change_type: type[D], described: BaseModel | None) -> D | None:
    """The request form of a part of the description; they differ in what may be left out."""
    if described is None:
        return None
    fields = described.model_dump(exclude_none=True, include=set(change_type.model_fields))
    return change_type.model_validate(fields)
