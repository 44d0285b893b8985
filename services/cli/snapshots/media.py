"""The media beside a snapshot: every stored picture once in a pool that all snapshots share.

<url>/media/<tenant>/<2 digits>/<name>         a kept picture or thumbnail, never changed
<url>/media/<tenant>/<2 digits>/SHA256SUMS     its digests, as `sha256sum` writes them
<url>/<snapshot>/media.sha256                  what was there: `cd <url>/<snapshot> && sha256sum -c media.sha256`
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from services.cli.errors import CliError
from services.common.errors import NotFoundError
from services.common.objects import ObjectStore

LIST_FILE = "media.sha256"
_ROOT = "media"
_SUMS = "SHA256SUMS"
_UP = "../"
"""From the list of a snapshot to the pool."""
_AT_ONCE = 8
_TOLD_EVERY = 10_000
Say = Callable[[str], None]


@dataclass
class Copied:
    """How far a copy is.

    Attributes:
        objects: Looked at.
        copied: Of these, those that were not there.
        copied_bytes: Their length.
    """

    objects: int = 0
    copied: int = 0
    copied_bytes: int = 0


@dataclass(frozen=True)
class Listed:
    """One object of a snapshot's list."""

    name: str
    sha256: str

    def line(self) -> bytes:
        """As it stands in the list."""
        return f"{self.sha256}  {_UP}{self.name}\n".encode()


@dataclass(frozen=True)
class _Copy:
    """An object that was copied."""

    sha256: str
    size_bytes: int


class MediaPool:
    """Copies media into a pool, and back.

    Args:
        pool: The place of the snapshots.
        store: The place of the media; `IMAGERAG_DATA_URL`.
        say: Takes a line about what is being done.
    """

    def __init__(self, pool: ObjectStore, store: ObjectStore, say: Say) -> None:
        self._pool, self._store, self._say = pool, store, say
        self.done = Copied()

    def save(self) -> Iterator[bytes]:
        """Copy what the pool lacks; gives the snapshot's list as it grows.

        Every picture that was stored before the call is copied; of those that come meanwhile, some are.
        """
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for tenant in self._store.list(_ROOT):
                for digits in self._store.list(f"{_ROOT}/{tenant}"):
                    yield from self._save_folder(f"{_ROOT}/{tenant}/{digits}", threads)
        self._tell()

    def _save_folder(self, folder: str, threads: ThreadPoolExecutor) -> Iterator[bytes]:
        names = self._store.list(folder)
        known = self._sums(folder)
        missing = [name for name in names if name not in known]
        copied = threads.map(self._save_one, (f"{folder}/{name}" for name in missing))
        new = {name: self._copied(found).sha256 for name, found in zip(missing, copied, strict=True) if found}
        if new:
            # After the objects themselves: one without a digest here is copied again.
            self._write_sums(folder, known | new)
        for name in names:
            if digest := new.get(name) or known.get(name):
                self._count()
                yield Listed(f"{folder}/{name}", digest).line()

    def _save_one(self, name: str) -> _Copy | None:
        try:
            data = self._store.get(name)
        except NotFoundError:
            return None  # gone since it was listed
        self._pool.put(name, data)
        return _Copy(hashlib.sha256(data).hexdigest(), len(data))

    def restore(self, lines: Iterable[bytes]) -> None:
        """Bring back what a list names and the store lacks.

        Raises:
            CliError: An object of the pool is missing or was changed; what was before it is back.
        """
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for batch in _batches(read_list(lines)):
                for found in threads.map(self._restore_one, batch):
                    if found:
                        self._copied(found)
                    self._count()
        self._tell()

    def _restore_one(self, listed: Listed) -> _Copy | None:
        if self._store.exists(listed.name):
            return None
        data = self._checked(listed)
        self._store.put(listed.name, data)
        return _Copy(listed.sha256, len(data))

    def _copied(self, found: _Copy) -> _Copy:
        self.done.copied += 1
        self.done.copied_bytes += found.size_bytes
        return found

    def verify(self, lines: Iterable[bytes]) -> None:
        """Read every object that a list names and compare its digest.

        Raises:
            CliError: One is missing or was changed.
        """
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for batch in _batches(read_list(lines)):
                for _ in threads.map(self._checked, batch):
                    self._count()
        self._tell()

    def _checked(self, listed: Listed) -> bytes:
        try:
            data = self._pool.get(listed.name)
        except NotFoundError:
            raise _damaged(listed.name, "it is not there") from None
        found = hashlib.sha256(data).hexdigest()
        if found != listed.sha256:
            raise _damaged(listed.name, f"SHA-256 is {found}, not {listed.sha256}")
        return data

    def _sums(self, folder: str) -> dict[str, str]:
        try:
            text = self._pool.get(f"{folder}/{_SUMS}").decode()
        except NotFoundError:
            return {}
        return {name: digest for digest, _, name in (line.partition("  ") for line in text.splitlines())}

    def _write_sums(self, folder: str, digests: dict[str, str]) -> None:
        lines = (f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
        self._pool.put(f"{folder}/{_SUMS}", "".join(lines).encode())

    def _count(self) -> None:
        self.done.objects += 1
        if self.done.objects % _TOLD_EVERY == 0:
            self._tell()

    def _tell(self) -> None:
        done = self.done
        self._say(
            f"media: {done.objects:,}, of these copied {done.copied:,} ({done.copied_bytes / 2**20:.1f} MiB)"
        )


def read_list(lines: Iterable[bytes]) -> Iterator[Listed]:
    """The objects that a snapshot's list names.

    Raises:
        CliError: A line is no such, or names something outside of the pool.
    """
    for line in lines:
        digest, _, path = line.decode("utf-8", "replace").rstrip("\n").partition("  ")
        name = path.removeprefix(_UP)
        if not name.startswith(f"{_ROOT}/") or ".." in name.split("/") or len(digest) != 64:
            raise CliError(
                f"The list of the media is damaged: {path[:200]!r}.",
                "Restore another snapshot: `imagerag snapshots list`.",
                code="damaged_snapshot",
            )
        yield Listed(name, digest)


def _batches(listed: Iterable[Listed]) -> Iterator[list[Listed]]:
    """Some at a time: a pool of threads would take in the whole list at once."""
    batch: list[Listed] = []
    for each in listed:
        batch.append(each)
        if len(batch) == _AT_ONCE * 16:
            yield batch
            batch = []
    if batch:
        yield batch


def _damaged(name: str, reason: str) -> CliError:
    return CliError(
        f"{name} is damaged: {reason}.",
        "Restore another snapshot (`imagerag snapshots list`), or leave the media out.",
        code="damaged_snapshot",
    )
