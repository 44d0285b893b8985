"""A folder of weights that is complete or not there: written beside, checked, then renamed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.common.durable import sync_path
from services.common.errors import UnavailableError
from services.common.settings import SettingsError
from services.encoder.weights.choice import RemoteFile

MARKER = "imagerag-weights.json"
"""Says which model the folder holds, and the length of each file."""
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class PinnedModel:
    """A model that can be fetched again and is the same.

    Attributes:
        name: Hub id.
        revision: Commit hash.
        variable: The setting that names it, for error texts.
    """

    name: str
    revision: str
    variable: str = field(default="IMAGERAG_ENCODER_MODEL", compare=False)

    def __str__(self) -> str:
        return f"{self.variable}={self.name!r}"


class WeightsFolder:
    """The place that weights are put.

    Args:
        path: The folder; its parent is on the same file system and can be written.

    Raises:
        SettingsError: It is a mount point, into which nothing can be renamed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        if self.path.is_mount():
            raise SettingsError(f"--to {path} is a mount point: name a folder inside it, for example {path}/clip")

    def holds(self, model: PinnedModel) -> bool:
        """Whether all of `model` is there.

        Raises:
            SettingsError: Something else is; it is left alone, since an encoder may be using it.
        """
        if not self.path.exists() or not any(self.path.iterdir()):
            return False
        there = self._marker()
        wanted = {"model": model.name, "revision": model.revision}
        if {name: there.get(name) for name in wanted} != wanted:
            known = f"{there['model']} at {there['revision']}" if "model" in there else "files of another origin"
            raise SettingsError(
                f"{self.path} holds {known}, not {model.name} at {model.revision}: name another folder, "
                "or delete this one"
            )
        damaged = [name for name, size in there["files"].items() if _size(self.path / name) != size]
        if damaged:
            raise SettingsError(f"{self.path} is damaged ({', '.join(damaged)}): delete it and fetch again")
        return True

    def fill(self, model: PinnedModel, files: Sequence[RemoteFile], download: Callable[[Path], None]) -> None:
        """Download into a folder beside this one, check every file, and put it here in one step.

        What an earlier try of the same revision has left is used again.

        Raises:
            UnavailableError: A file came damaged; nothing is put here.
        """
        part = self.path.with_name(f".{self.path.name}.{model.revision}.part")
        part.mkdir(parents=True, exist_ok=True)
        download(part)
        for file in files:
            _check(part / file.name, file)
        # The hub client's own notes.
        shutil.rmtree(part / ".cache", ignore_errors=True)
        marker = {
            "model": model.name,
            "revision": model.revision,
            "files": {file.name: file.size_bytes for file in files},
        }
        (part / MARKER).write_text(json.dumps(marker, indent=2) + "\n", encoding="utf-8")
        for name in (*(file.name for file in files), MARKER, "."):
            sync_path(part / name)
        part.rename(self.path)
        sync_path(self.path.parent)
        self._forget_other_tries()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time fill the folder."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(f".{self.path.name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _marker(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.path / MARKER).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def _forget_other_tries(self) -> None:
        for stale in self.path.parent.glob(f".{self.path.name}.*.part"):
            shutil.rmtree(stale, ignore_errors=True)


def _check(path: Path, file: RemoteFile) -> None:
    if _size(path) != file.size_bytes or not _hashes_agree(path, file):
        path.unlink(missing_ok=True)
        raise UnavailableError(f"{file.name} came damaged from the hub: try again")


def _hashes_agree(path: Path, file: RemoteFile) -> bool:
    if file.sha256 is not None:
        return _digest(path, hashlib.sha256()) == file.sha256
    if file.git_sha1 is not None:
        header = b"blob %d\0" % file.size_bytes
        return _digest(path, hashlib.sha1(header, usedforsecurity=False)) == file.git_sha1
    return True


def _digest(path: Path, digest: hashlib._Hash) -> str:
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
