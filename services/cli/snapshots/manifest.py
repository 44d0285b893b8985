"""What is written beside the files of a snapshot, last of all: what has no manifest is no snapshot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from services.cli.errors import CliError

FORMAT = 1
FORMAT_WITH_MEDIA = 2
"""Versions that know nothing of media refuse it, instead of leaving them out without a word."""
FILE_NAME = "manifest.json"
_TIME = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(?P<alias>.+)-(?P<time>\d{8}T\d{6}Z)")


@dataclass(frozen=True)
class ShardFile:
    """One file of a snapshot.

    Attributes:
        shard: Which shard it is.
        file: Name beside the manifest.
        size_bytes: Length.
        sha256: In hexadecimal.
        points: Points as the node counts them, roughly.
        node: Where it was read from.
        peer_id: That node's number in the cluster.
    """

    shard: int
    file: str
    size_bytes: int
    sha256: str
    points: int
    node: str
    peer_id: int


@dataclass(frozen=True)
class MediaList:
    """The media that belong to a snapshot.

    Attributes:
        file: Name of their list beside the manifest.
        size_bytes: Length of the list.
        sha256: Of the list, in hexadecimal.
        objects: Pictures and thumbnails.
    """

    file: str
    size_bytes: int
    sha256: str
    objects: int


@dataclass(frozen=True)
class Manifest:
    """A snapshot.

    Attributes:
        name: Folder that it stands in; tells alias and time.
        created_at: ISO 8601, UTC: every write confirmed before is in it.
        alias: What led to the collection.
        collection: Physical name.
        contract: The embedding contract, as `EmbeddingContract.to_document` has it.
        points_before: All points just before the first file was made; the snapshot holds at least these.
        points_after: All points just after the last one was made.
        server_version: Of Qdrant.
        config: Qdrant's description of the collection.
        indexes: Payload field to the schema it is indexed with.
        shards: One file each.
        format: Of this document.
        media: None: they were not saved with it.
    """

    name: str
    created_at: str
    alias: str
    collection: str
    contract: dict[str, Any]
    points_before: int
    points_after: int
    server_version: str
    config: dict[str, Any]
    indexes: dict[str, Any]
    shards: Sequence[ShardFile]
    format: int = FORMAT
    media: MediaList | None = None

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(shard.size_bytes for shard in self.shards)

    def to_document(self) -> dict[str, Any]:
        """The JSON form."""
        document = asdict(self)
        if self.media is None:
            del document["media"]
        return document

    @classmethod
    def from_document(cls, document: Any) -> Manifest:
        """Read the JSON form.

        Raises:
            CliError: It is of another format, or damaged.
        """
        try:
            if document["format"] not in (FORMAT, FORMAT_WITH_MEDIA):
                raise CliError(
                    f"The snapshot has format {document['format']!r}; this version reads {FORMAT} and "
                    f"{FORMAT_WITH_MEDIA}."
                )
            media = document.get("media")
            parts = {
                "shards": tuple(ShardFile(**shard) for shard in document["shards"]),
                "media": MediaList(**media) if media else None,
            }
            return cls(**(document | parts))
        except (KeyError, TypeError) as error:
            raise CliError("The snapshot's manifest is damaged.", str(error), code="damaged_snapshot") from None


def new_name(alias: str, moment: datetime) -> str:
    """Name of a snapshot; names of one alias sort by time."""
    return f"{alias}-{moment.astimezone(UTC):{_TIME}}"


def moment_of(name: str) -> datetime | None:
    """When a snapshot of this name was begun; None if it is no name of a snapshot."""
    found = _NAME.fullmatch(name)
    return datetime.strptime(found["time"], _TIME).replace(tzinfo=UTC) if found else None


def alias_of(name: str) -> str | None:
    """The alias in a name."""
    found = _NAME.fullmatch(name)
    return found["alias"] if found else None


def superseded(names: Sequence[str], alias: str, keep: int) -> list[str]:
    """The snapshots of an alias that are not among its newest `keep`, oldest first."""
    own = sorted(name for name in names if alias_of(name) == alias)
    return own[: max(0, len(own) - keep)]
