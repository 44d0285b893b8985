"""The nodes of a Qdrant server or cluster: which shards stand where, and snapshots of them.

A snapshot is taken of one shard, on one node, and not of a collection: that one would hold what happens to stand
on the node that was asked, each replica again on its own node, and restoring it leaves every shard of the target
node that it does not hold out of service. One of a shard fits any cluster of as many shards, however they lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import httpx
from qdrant_client import models

from services.common.errors import DeadlineError, NotFoundError, UnavailableError
from services.common.index.connection import StoreNotFoundError, connect_blocking, store_errors
from services.common.index.transport import trusted

_DOWNLOAD_BYTES = 1 << 20


@dataclass(frozen=True)
class NodeShards:
    """What one node says about a collection.

    Attributes:
        url: Of the node.
        peer_id: Its number in the cluster.
        shard_count: Shards of the collection, on all nodes.
        active: Points of each shard that this node has a replica of that is complete.
        others: Shards that it has a replica of that is not.
    """

    url: str
    peer_id: int
    shard_count: int
    active: dict[int, int]
    others: frozenset[int] = frozenset()


@dataclass(frozen=True)
class NodeSnapshot:
    """A snapshot that stands on a node.

    Attributes:
        name: Its file name there.
        size_bytes: Length of the file.
        sha256: Of the file, in hexadecimal, if the node tells it.
    """

    name: str
    size_bytes: int
    sha256: str | None


class Node:
    """One node. A context manager; every call blocks.

    Args:
        url: Of this node's own REST interface.
        api_key: Sent with every call if given.
        ca_path: Authority of an https address, PEM; None: the public ones.
        timeout_s: Longest time for a snapshot to be made, or restored after its upload.
    """

    def __init__(self, url: str, *, api_key: str | None, ca_path: Path | None, timeout_s: int) -> None:
        self.url = url.rstrip("/")
        self._client = connect_blocking(url, api_key=api_key, timeout_s=timeout_s, ca_path=ca_path)
        self._files = httpx.Client(
            base_url=self.url,
            headers={"api-key": api_key} if api_key else {},
            timeout=httpx.Timeout(60.0, read=timeout_s),
            verify=trusted(ca_path),
            trust_env=False,
        )

    def __enter__(self) -> Self:
        """Nothing is opened before the first call."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._files.close()
        self._client.close()

    def shards(self, collection: str) -> NodeShards:
        """The shards of a collection as this node sees them.

        Raises:
            NotFoundError: There is no such collection.
            UnavailableError: The node does not answer.
        """
        with _blamed(self.url, collection):
            found = self._client.collection_cluster_info(collection)
        active = {
            shard.shard_id: shard.points_count
            for shard in found.local_shards
            if shard.state == models.ReplicaState.ACTIVE
        }
        local = {shard.shard_id for shard in found.local_shards}
        return NodeShards(self.url, found.peer_id, found.shard_count, active, frozenset(local - active.keys()))

    def create(self, collection: str, shard: int) -> NodeSnapshot:
        """Make a snapshot of a shard; it holds every write confirmed before the call.

        Raises:
            NotFoundError: The node has no such shard.
            UnavailableError: It could not make one.
        """
        with _blamed(self.url, collection):
            made = self._client.create_shard_snapshot(collection, shard, wait=True)
        if made is None:
            raise UnavailableError(f"{self.url}: It did not say what snapshot it made.")
        return NodeSnapshot(made.name, made.size, made.checksum)

    def remove(self, collection: str, shard: int, name: str) -> None:
        """Delete a snapshot from the node's disk."""
        with _blamed(self.url, collection):
            self._client.delete_shard_snapshot(collection, shard, name, wait=True)

    @contextmanager
    def download(self, collection: str, shard: int, name: str) -> Iterator[Iterator[bytes]]:
        """Read a snapshot in pieces; memory holds one of them."""
        path = f"{_path(collection, shard)}/{name}"
        with _blamed(self.url, collection), self._files.stream("GET", path) as response:
            _check(response)
            yield response.iter_bytes(_DOWNLOAD_BYTES)

    def restore(self, collection: str, shard: int, file: BinaryIO, sha256: str) -> None:
        """Let a snapshot be this shard; the other replicas then take it over from this one.

        Args:
            collection: Must be there, with as many shards as when the snapshot was made.
            shard: One that this node has a replica of.
            file: The snapshot; read in pieces.
            sha256: What the node must find the file to have.
        """
        with _blamed(self.url, collection):
            response = self._files.post(
                f"{_path(collection, shard)}/upload",
                params={"priority": "snapshot", "checksum": sha256, "wait": "true"},
                files={"snapshot": (f"shard-{shard}.snapshot", file, "application/octet-stream")},
            )
            _check(response)


def _path(collection: str, shard: int) -> str:
    return f"/collections/{collection}/shards/{shard}/snapshots"


def _check(response: httpx.Response) -> None:
    if response.status_code == 404:
        raise StoreNotFoundError
    if not response.is_success:
        reason = response.read()[:500].decode(errors="replace")
        raise UnavailableError(f"It answers {response.status_code}: {reason}")


@contextmanager
def _blamed(url: str, collection: str) -> Iterator[None]:
    """Errors that name the node: with several, "the store does not answer" helps nobody."""
    try:
        with store_errors():
            yield
    except StoreNotFoundError:
        raise NotFoundError(f"{url} has no such shard or snapshot of {collection!r}.") from None
    except httpx.HTTPError as error:
        raise UnavailableError(f"{url}: It does not answer ({type(error).__name__}).") from None
    except (UnavailableError, DeadlineError) as error:
        raise UnavailableError(f"{url}: {error.message}") from None
