"""One collection: a shard of the engine and its description. Every method runs on the engine's thread."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import qdrant_edge as edge
import structlog
from qdrant_client.http import models as m

from services.common.durable import make_folder
from services.common.errors import InternalError
from services.store.description import Description
from services.store.engine import engine_errors
from services.store.snapshots.shelf import Shelf
from services.store.translate.ids import EngineId
from services.store.translate.results import Json
from services.store.translate.schema import described_config, engine_config, vector_fields
from services.store.translate.writes import Write

log = structlog.get_logger(__name__)


class Recording:
    """Writes made while an index is built, to be made again on the copy.

    Args:
        limit: Points, and operations without points, that are kept; with more the recording is dropped.
    """

    def __init__(self, limit: int) -> None:
        self.writes: list[Write] = []
        self.overtaken = False
        self._room = limit

    def add(self, write: Write) -> None:
        """Keep a write, or give up and free the memory."""
        self._room -= max(1, write.points)
        if self._room < 0:
            self.overtaken = True
            self.writes.clear()
        if not self.overtaken:
            self.writes.append(write)


class Collection:
    """A shard that is open.

    Args:
        folder: The collection's own folder.
        description: What `collection.json` says.
        shard: The engine's open shard.
    """

    def __init__(self, folder: Path, description: Description, shard: edge.EdgeShard) -> None:
        self.folder = folder
        self.description = description
        self.fields = vector_fields(description.collection_spec())
        self.shard = shard
        self.dirty = False
        self.closed = False
        self.recording: Recording | None = None
        self.written_points = 0
        self._operations = 0
        self._failed = False

    @classmethod
    def create(cls, folder: Path, name: str, spec: m.CreateCollection) -> Collection:
        """Make a collection; the description is written last and makes it one.

        Raises:
            InvalidRequestError: The configuration is wrong; nothing is left behind.
            UnimplementedError: It asks for what this store does not offer.
        """
        with engine_errors():
            config = engine_config(spec)
        description = Description(
            name=name,
            created_at=datetime.now(UTC).isoformat(),
            shard=new_shard_name(),
            spec=spec.model_dump(mode="json", exclude_none=True),
        )
        make_folder(folder / description.shard)
        try:
            with engine_errors():
                shard = edge.EdgeShard.create(str(folder / description.shard), config)
                shard.flush()
            description.save(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return cls(folder, description, shard)

    @classmethod
    def load(cls, folder: Path, description: Description) -> Collection:
        """Open a collection and replay what its log holds beyond the last flush.

        Raises:
            InternalError: The engine cannot open it.
        """
        remove_strays(folder, keep=description.shard)
        Shelf(folder).sweep()
        return cls.attach(folder, description)

    @classmethod
    def attach(cls, folder: Path, description: Description) -> Collection:
        """Open the shard that a description names, which need not be written down yet.

        Raises:
            InternalError: The engine cannot open it.
        """
        with engine_errors():
            shard = edge.EdgeShard.load(str(folder / description.shard))
        collection = cls(folder, description, shard)
        collection.dirty = True
        collection.written_points = max(0, shard.info().points_count - description.indexed_points)
        return collection

    @property
    def name(self) -> str:
        """The collection's name."""
        return self.description.name

    @property
    def building(self) -> bool:
        """Whether an index is being built."""
        return self.recording is not None

    def describe(self, description: Description) -> None:
        """Take over a changed description, on disk first."""
        description.save(self.folder)
        self.description = description

    def write(self, write: Write) -> int:
        """Apply one checked operation; when this returns it is in the engine's log.

        Returns:
            The operation's number, counted since the start.

        Raises:
            InvalidRequestError: The engine refused it.
            NotFoundError: A point that it names is not there.
            InternalError: The engine is broken; no more writes are taken, for the log may hold what broke it.
        """
        if self._failed:
            raise InternalError(
                f"Collection `{self.name}` takes no writes since the engine failed on it. "
                "The log has the reason; restart the store."
            )
        # Recorded even if it fails: the engine may have applied a part, and a replay does the same again.
        if self.recording is not None:
            self.recording.add(write)
        self.dirty = True
        try:
            with engine_errors():
                self.shard.update(write.operation)
        except InternalError:
            self._failed, self.dirty = True, False
            log.critical("collection_stopped_writing", collection=self.name)
            raise
        self.written_points += write.points
        self._operations += 1
        return self._operations

    def retrieve(
        self, ids: Sequence[EngineId], payload: edge.WithPayloadType, vectors: edge.WithVectorType
    ) -> list[edge.Record]:
        """The points of these ids, as far as they exist."""
        with engine_errors():
            return self.shard.retrieve(list(ids), payload, vectors)

    def query(self, requests: Sequence[edge.QueryRequest]) -> list[list[edge.ScoredPoint]]:
        """Run queries together; results in their order."""
        with engine_errors():
            if len(requests) == 1:
                return [self.shard.query(requests[0])]
            return self.shard.query_batch(edge.QueryBatchRequest(list(requests)))

    def scroll(self, request: edge.ScrollRequest) -> tuple[list[edge.Record], Any]:
        """A page of points, and the id that the next one begins with."""
        with engine_errors():
            return self.shard.scroll(request)

    def count(self, request: edge.CountRequest) -> int:
        """How many points match."""
        with engine_errors():
            return self.shard.count(request)

    def facet(self, request: edge.FacetRequest) -> list[edge.FacetHit]:
        """Values of an indexed field with their counts."""
        with engine_errors():
            return list(self.shard.facet(request).hits)

    def info(self) -> Json:
        """What `GET /collections/{name}` answers."""
        with engine_errors():
            found = self.shard.info()
        spec = self.description.collection_spec()
        return {
            "status": "red" if self._failed else "yellow" if self.building else "green",
            "optimizer_status": "ok",
            "points_count": found.points_count,
            "indexed_vectors_count": found.indexed_vectors_count,
            "segments_count": found.segments_count,
            "config": described_config(spec, spec.metadata),
            "payload_schema": self._payload_schema(found.payload_schema),
            "created_at": self.description.created_at,
        }

    def _payload_schema(self, found: dict[str, Any]) -> Json:
        schema: Json = {}
        for field_name, info in found.items():
            kind = str(info.data_type).rsplit(".", 1)[-1].lower()
            schema[field_name] = {"data_type": kind, "points": info.points}
            given = self.description.indexes.get(field_name)
            if isinstance(given, dict):
                schema[field_name]["params"] = given
        return schema

    def flush(self) -> None:
        """Write to the engine's files what so far stands in its log only."""
        with engine_errors():
            self.shard.flush()
        self.dirty = False

    def close(self) -> None:
        """Close the shard; the collection cannot be used any more."""
        self.closed = True
        with engine_errors():
            self.shard.close()


def new_shard_name() -> str:
    """A name for an engine folder that is not in use."""
    return f"shard-{uuid.uuid4().hex[:12]}"


def remove_strays(folder: Path, keep: str) -> None:
    """Remove shards that a crash left behind while an index was built."""
    for stray in folder.glob("shard-*"):
        if stray.name != keep:
            shutil.rmtree(stray, ignore_errors=True)
