"""Makes and restores snapshots: Qdrant on the one side, the vault on the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

from services.cli.errors import CliError
from services.cli.snapshots.manifest import (
    FORMAT,
    FORMAT_WITH_MEDIA,
    Manifest,
    MediaList,
    ShardFile,
    new_name,
    superseded,
)
from services.cli.snapshots.media import LIST_FILE, MediaPool
from services.cli.snapshots.planning import sources, targets
from services.cli.snapshots.vault import Vault
from services.common.errors import ImageragError, UnavailableError
from services.common.index.contract import EmbeddingContract
from services.common.index.nodes import Node, NodeShards
from services.common.index.recovery import Catalogue, CollectionRecord

Say = Callable[[str], None]
OpenNode = Callable[[str], Node]


class SnapshotService:
    """Snapshots of one alias.

    Args:
        catalogue: Qdrant, whichever node answers.
        nodes: Addresses of the nodes themselves.
        open_node: Opens one of them.
        vault: Keeps the files.
        say: Takes a line about what is being done.
        media: Copies the pictures; None: they stay out of it.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        nodes: Sequence[str],
        open_node: OpenNode,
        vault: Vault,
        say: Say,
        media: MediaPool | None = None,
    ) -> None:
        self._catalogue, self._nodes, self._open_node = catalogue, nodes, open_node
        self._vault, self._say, self._media = vault, say, media

    def create(self, alias: str, keep: int) -> Manifest:
        """Make a snapshot of the collection in use; on return it is complete, before that it is not there.

        Args:
            alias: Leads to the collection.
            keep: Newest snapshots of this alias that stay; 0 removes none.

        Raises:
            CliError: There is nothing to save, or a file did not arrive whole.
            ImageragError: Qdrant failed.
        """
        record = self._catalogue.describe(alias)
        if record is None:
            raise CliError(
                f"There is no collection {alias!r} yet.", "Ingest something first.", code="nothing_stored"
            )
        started = datetime.now(UTC)
        name = new_name(alias, started)
        before = self._catalogue.count(record.name)
        with ExitStack() as stack:
            stack.callback(self._discard, name)
            files = self._fetch_all(name, record)
            # After the points: a picture is kept before its item is stored, so none of theirs is missing.
            media = self._save_media(name)
            manifest = Manifest(
                name=name,
                created_at=started.isoformat(),
                alias=alias,
                collection=record.name,
                contract=record.contract.to_document(),
                points_before=before,
                points_after=self._catalogue.count(record.name),
                server_version=self._catalogue.version(),
                config=dict(record.config),
                indexes=dict(record.indexes),
                shards=files,
                format=FORMAT if media is None else FORMAT_WITH_MEDIA,
                media=media,
            )
            self._vault.finish(manifest)
            stack.pop_all()
        self._tidy(alias, keep)
        return manifest

    def _save_media(self, name: str) -> MediaList | None:
        if self._media is None:
            return None
        size, sha256 = self._vault.write(name, LIST_FILE, self._media.save())
        return MediaList(LIST_FILE, size, sha256, self._media.done.objects)

    def _fetch_all(self, name: str, record: CollectionRecord) -> list[ShardFile]:
        chosen = sources(self._ask_nodes(record.name))
        files = []
        for shard, source in chosen.items():
            self._say(f"shard {shard} (of {len(chosen)}) from {source.url}")
            with self._open_node(source.url) as node:
                files.append(self._fetch(name, record.name, shard, source, node))
        return files

    def _fetch(self, name: str, collection: str, shard: int, source: NodeShards, node: Node) -> ShardFile:
        made = node.create(collection, shard)
        file = f"shard-{shard}.snapshot"
        try:
            with node.download(collection, shard, made.name) as pieces:
                size, sha256 = self._vault.write(name, file, pieces)
        finally:
            self._free(node, collection, shard, made.name)
        if size != made.size_bytes or made.sha256 not in (None, sha256):
            raise CliError(
                f"The snapshot of shard {shard} did not arrive whole: {size} of {made.size_bytes} bytes.",
                "Try again.",
                code="damaged_snapshot",
            )
        return ShardFile(shard, file, size, sha256, source.active[shard], source.url, source.peer_id)

    def _free(self, node: Node, collection: str, shard: int, name: str) -> None:
        try:
            node.remove(collection, shard, name)
        except ImageragError as error:  # it takes room there, and that is all
            self._say(f"{name} stays on {node.url}: {error.message}")

    def restore(self, manifest: Manifest, *, switch_alias: bool, settle_s: float) -> int:
        """Make the collection what it was, and let the alias lead to it.

        Args:
            manifest: The snapshot.
            switch_alias: Also if the alias leads to another collection now.
            settle_s: Longest wait for the points to be there.

        Returns:
            Points there now.

        Raises:
            CliError: A file or a node is missing, or points are.
            ImageragError: Qdrant failed, or holds another model's collection of that name.
        """
        record = CollectionRecord(
            manifest.collection,
            EmbeddingContract.from_document(manifest.contract),
            manifest.config,
            manifest.indexes,
        )
        self._check_alias(manifest, switch_alias)
        self._restore_media(manifest)
        self._say("made the collection" if self._catalogue.recreate(record) else "the collection is there")
        chosen = targets(self._ask_nodes(record.name), [shard.shard for shard in manifest.shards])
        for shard in manifest.shards:
            target = chosen[shard.shard]
            self._say(f"shard {shard.shard} (of {len(manifest.shards)}) to {target.url}")
            with self._open_node(target.url) as node, self._vault.open(manifest.name, shard.file) as file:
                node.restore(record.name, shard.shard, file, shard.sha256)
        points = self._settled_count(record.name, manifest.points_before, settle_s)
        self._catalogue.point_alias(manifest.alias, record.name, switch=switch_alias)
        return points

    def verify(self, manifest: Manifest) -> None:
        """Read every file of a snapshot and compare its checksum; Qdrant is not asked.

        Raises:
            CliError: One is missing or was changed, or media are wanted and were not saved.
        """
        for shard in manifest.shards:
            self._verify_file(manifest.name, shard.file, shard.sha256)
        if self._media is not None:
            media = self._media_of(manifest)
            self._verify_file(manifest.name, media.file, media.sha256)

    def verify_media(self, manifest: Manifest) -> None:
        """Read every picture of a snapshot and compare its checksum; nothing if media are not wanted.

        Raises:
            CliError: One is missing or was changed.
        """
        if self._media is not None:
            with self._vault.open(manifest.name, self._media_of(manifest).file) as lines:
                self._media.verify(lines)

    def _restore_media(self, manifest: Manifest) -> None:
        """Before the points: what is found then can be shown."""
        if self._media is not None:
            with self._vault.open(manifest.name, self._media_of(manifest).file) as lines:
                self._media.restore(lines)

    def _media_of(self, manifest: Manifest) -> MediaList:
        if manifest.media is None:
            raise CliError(
                f"The snapshot {manifest.name!r} was made without media.",
                "Leave out --with-media, or take another snapshot.",
                code="no_media",
            )
        return manifest.media

    def _verify_file(self, name: str, file: str, sha256: str) -> None:
        try:
            found = self._vault.sha256(name, file)
        except FileNotFoundError:
            found = "nothing"
        if found != sha256:
            raise CliError(
                f"{name}/{file} is damaged: SHA-256 is {found}, not {sha256}.",
                "Restore another snapshot: `imagerag snapshots list`.",
                code="damaged_snapshot",
            )

    def _check_alias(self, manifest: Manifest, switch_alias: bool) -> None:
        current = self._catalogue.behind(manifest.alias)
        if current not in (None, manifest.collection) and not switch_alias:
            raise CliError(
                f"The alias {manifest.alias!r} leads to {current!r}, another model's collection.",
                "Give --switch-alias to let it lead to the restored one.",
                code="alias_taken",
            )

    def _settled_count(self, collection: str, expected: int, settle_s: float) -> int:
        """Points, once they are all there: a cluster makes a restored shard known to its nodes by and by."""
        deadline = time.monotonic() + settle_s
        while True:
            found = self._count(collection)
            if found is not None and found >= expected:
                return found
            if time.monotonic() > deadline:
                raise CliError(
                    f"After the restore {found} points are there; the snapshot holds at least {expected}.",
                    "Look at the collection's shards (GET /collections/NAME/cluster).",
                    code="points_missing",
                )
            time.sleep(1.0)

    def _count(self, collection: str) -> int | None:
        try:
            return self._catalogue.count(collection)
        except ImageragError as error:
            if not error.retryable:
                raise
            return None

    def _ask_nodes(self, collection: str) -> list[NodeShards]:
        """What the nodes say; one that is away does not matter as long as the others hold all shards."""
        answers: dict[int, NodeShards] = {}
        for url in self._nodes:
            with self._open_node(url) as node:
                try:
                    found = node.shards(collection)
                except UnavailableError as error:
                    self._say(error.message)
                    continue
                answers[found.peer_id] = found
        if not answers:
            raise UnavailableError("No node of Qdrant answers.")
        return list(answers.values())

    def _tidy(self, alias: str, keep: int) -> None:
        outdated = superseded(self._vault.names(), alias, keep) if keep else []
        for name in [*outdated, *self._vault.abandoned()]:
            self._say(f"removed {name}")
            self._vault.remove(name)

    def _discard(self, name: str) -> None:
        self._say(f"gave up {name}")
        self._vault.remove(name)
