"""The data folder: its lock, its collections, its aliases.

.lock                                    held by the one process that has the folder open
aliases.json                             alias -> collection
uploads/                                 snapshots that are being restored; emptied at the start
collections/<random>/collection.json     see `description`; written last, removed first
collections/<random>/shard-<random>/     the engine's files
collections/<random>/snapshots/          see `snapshots.shelf`
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import structlog
from prometheus_client import Gauge
from qdrant_client.http import models as m

from services.common.durable import make_folder, remove_durably, write_durably
from services.common.errors import ConflictError, ImageragError, InternalError, InvalidRequestError, NotFoundError
from services.common.settings import SettingsError
from services.store.collection import Collection, remove_strays
from services.store.description import FILE_NAME, Description
from services.store.translate.limits import OutOfRangeError

log = structlog.get_logger(__name__)

COLLECTIONS = Gauge("imagerag_store_collections", "Collections that are open.")
_FORBIDDEN = set('<>:"/\\|?*\0\x1f')


class FolderLock:
    """An exclusive lock on the data folder, released by the kernel when the process ends.

    The engine refuses a second opener by itself, but the attempt damages the first one's log: this lock is taken
    before the engine touches anything.

    Args:
        folder: The data folder; made if missing.

    Raises:
        SettingsError: Another process has it, or it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise SettingsError(f"IMAGERAG_STORE_DATA_PATH: {folder} cannot be used: {error.strerror}") from None
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise SettingsError(
                f"IMAGERAG_STORE_DATA_PATH: {folder} is in use by another store. "
                "Stop that one, or name another folder."
            ) from None

    def release(self) -> None:
        """Give the folder free."""
        os.close(self._handle)


@dataclass(frozen=True, slots=True)
class RestorePlace:
    """Where a snapshot is unpacked, and what stands there.

    Attributes:
        name: Of the collection; an alias has been resolved.
        folder: The collection's folder; a new one without a description if there is no collection yet.
        current: What the snapshot replaces.
    """

    name: str
    folder: Path
    current: Description | None


class Registry:
    """The collections of a data folder that is locked. Every method runs on the engine's thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = folder / "collections"
        self._collections: dict[str, Collection] = {}
        self._broken: dict[str, Path] = {}
        self._aliases: dict[str, str] = {}

    def open(self) -> None:
        """Load every collection, and remove what a crash left of half-made or half-deleted ones."""
        self._root.mkdir(exist_ok=True)
        shutil.rmtree(self.upload_folder(), ignore_errors=True)
        self.upload_folder().mkdir()
        for folder in sorted(self._root.iterdir()):
            if (folder / FILE_NAME).exists():
                self._load(folder)
            else:
                shutil.rmtree(folder, ignore_errors=True)
        self._aliases = self._read_aliases()
        COLLECTIONS.set(len(self._collections))

    def _load(self, folder: Path) -> None:
        """One collection that cannot be opened must not keep the others away."""
        description = Description.load(folder)
        try:
            self._collections[description.name] = Collection.load(folder, description)
        except ImageragError:
            log.critical("collection_cannot_be_opened", collection=description.name, folder=str(folder))
            self._broken[description.name] = folder

    def _read_aliases(self) -> dict[str, str]:
        path = self._folder / "aliases.json"
        stored: dict[str, str] = orjson.loads(path.read_bytes()) if path.exists() else {}
        return {alias: name for alias, name in stored.items() if self._known(name)}

    def _known(self, name: str) -> bool:
        return name in self._collections or name in self._broken

    def close(self) -> None:
        """Flush and close every collection."""
        for collection in self._collections.values():
            try:
                collection.flush()
                collection.close()
            except ImageragError:
                log.exception("collection_not_closed", collection=collection.name)

    def names(self) -> list[str]:
        """Names of all collections."""
        return sorted([*self._collections, *self._broken])

    def collections(self) -> list[Collection]:
        """All collections that are open."""
        return list(self._collections.values())

    def exists(self, name: str) -> bool:
        """Whether `name` is a collection or an alias of one."""
        return self._known(self._aliases.get(name, name))

    def get(self, name: str) -> Collection:
        """The collection of that name or alias.

        Raises:
            NotFoundError: There is none.
            InternalError: It is there but could not be opened.
        """
        own = self._aliases.get(name, name)
        if own in self._broken:
            raise InternalError(f"Collection `{own}` could not be opened; the log of the start has the reason.")
        if own not in self._collections:
            raise NotFoundError(f"Collection `{name}` doesn't exist!")
        return self._collections[own]

    def create(self, name: str, spec: m.CreateCollection) -> None:
        """Make a collection.

        Raises:
            ConflictError: The name is taken.
            InvalidRequestError: The name or the configuration is wrong.
            UnimplementedError: The configuration asks for what this store does not offer.
        """
        _check_name(name)
        if self._known(name):
            raise ConflictError(f"Collection `{name}` already exists!")
        if name in self._aliases:
            raise InvalidRequestError(
                f"Can't create collection with name {name}. Alias with the same name already exists"
            )
        self._collections[name] = Collection.create(self._root / uuid.uuid4().hex, name, spec)
        COLLECTIONS.set(len(self._collections))

    def delete(self, name: str) -> bool:
        """Delete a collection and the aliases of it.

        Returns:
            Whether there was one. An alias is no collection here, as in the real server.
        """
        collection = self._collections.pop(name, None)
        folder = self._broken.pop(name, None) if collection is None else collection.folder
        if folder is None:
            return False
        # From here on it is gone, whatever happens; aliases of what is gone are dropped at the next start too.
        remove_durably(folder / FILE_NAME)
        self._save_aliases({alias: own for alias, own in self._aliases.items() if own != name})
        if collection is not None:
            collection.close()
        shutil.rmtree(folder, ignore_errors=True)
        COLLECTIONS.set(len(self._collections))
        return True

    def upload_folder(self) -> Path:
        """Holds snapshots while they are restored; on the disk that the collections are on."""
        return self._folder / "uploads"

    def place_for(self, name: str) -> RestorePlace:
        """Where the snapshot of a collection is to be unpacked; `leave` it in the end."""
        own = self._aliases.get(name, name)
        _check_name(own)
        folder = self._folder_of(own)
        if folder is None:
            folder = self._root / uuid.uuid4().hex
            make_folder(folder)
            return RestorePlace(own, folder, None)
        return RestorePlace(own, folder, Description.load(folder))

    def restore(self, place: RestorePlace, snapshot: Description, shard: Path) -> None:
        """Let an unpacked shard be the collection.

        Args:
            place: From `place_for`.
            snapshot: The description as it was.
            shard: The engine's files, in a folder inside the place's.

        Raises:
            ConflictError: Another collection stands there by now.
            InternalError: The engine cannot open it; the old collection stays.
        """
        if self._folder_of(place.name) != (place.folder if place.current else None):
            raise ConflictError(f"Collection `{place.name}` was made or deleted while it was being restored.")
        description = replace(snapshot, name=place.name, shard=shard.name)
        restored = Collection.attach(place.folder, description)
        description.save(place.folder)
        before = self._collections.get(place.name)
        self._broken.pop(place.name, None)
        self._collections[place.name] = restored
        COLLECTIONS.set(len(self._collections))
        if before is not None:
            before.close()

    def leave(self, place: RestorePlace, shard: Path) -> None:
        """Remove what is not in use of a place: the old shard after a restore, else the unpacked one."""
        collection = self._collections.get(place.name)
        if collection is not None and collection.folder == place.folder:
            if collection.description.shard == shard.name:
                remove_strays(place.folder, keep=shard.name)
            else:
                shutil.rmtree(shard, ignore_errors=True)
        elif self._folder_of(place.name) == place.folder:
            shutil.rmtree(shard, ignore_errors=True)
        else:
            shutil.rmtree(place.folder, ignore_errors=True)

    def _folder_of(self, name: str) -> Path | None:
        collection = self._collections.get(name)
        return self._broken.get(name) if collection is None else collection.folder

    def aliases(self) -> Mapping[str, str]:
        """Alias to collection."""
        return dict(self._aliases)

    def change_aliases(self, actions: list[m.AliasOperations]) -> None:
        """Carry out all actions or, if one is wrong, none.

        Raises:
            NotFoundError: A collection or an alias to rename is not there.
            ConflictError: A collection has the alias's name.
        """
        changed = dict(self._aliases)
        for action in actions:
            self._change_alias(changed, action)
        self._save_aliases(changed)

    def _change_alias(self, aliases: dict[str, str], action: m.AliasOperations) -> None:
        match action:
            case m.CreateAliasOperation(create_alias=created):
                if not self._known(created.collection_name):
                    raise NotFoundError(f"Collection `{created.collection_name}` doesn't exist!")
                self._check_alias(created.alias_name)
                aliases[created.alias_name] = created.collection_name
            case m.DeleteAliasOperation(delete_alias=deleted):
                aliases.pop(deleted.alias_name, None)
            case m.RenameAliasOperation(rename_alias=renamed):
                if renamed.old_alias_name not in aliases:
                    raise NotFoundError(f"Alias {renamed.old_alias_name} does not exists!")
                self._check_alias(renamed.new_alias_name)
                aliases[renamed.new_alias_name] = aliases.pop(renamed.old_alias_name)

    def _check_alias(self, alias: str) -> None:
        _check_name(alias)
        if self._known(alias):
            raise ConflictError(f"Collection `{alias}` already exists!")

    def _save_aliases(self, aliases: dict[str, str]) -> None:
        if aliases != self._aliases:
            write_durably(self._folder / "aliases.json", orjson.dumps(aliases))
            self._aliases = aliases


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= 255 or _FORBIDDEN & set(name):
        raise OutOfRangeError(
            "Validation error in path parameters: [name: a collection name has 1 to 255 characters and none of "
            '<>:"/\\|?*]'
        )
