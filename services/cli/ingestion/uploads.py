"""Files to the gateway, a few at once, each only if it is not there yet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.cli.errors import EXIT_UNREACHABLE, CliError
from services.cli.ingestion.entries import Entry, Failure, entry_bytes
from services.cli.rest.client import RestClient
from services.common.errors import ImageragError
from services.common.media.kinds import kind_of, reason_against, reason_against_inside
from services.common.media.signatures import HEAD_BYTES

CONCURRENCY = 4
_NAME_LIMIT_CHARS = 512
_STOPPING = frozenset({"unauthenticated", "forbidden", "missing_scope", "unreachable"})
"""What goes wrong with one upload in this way goes wrong with all."""

Item = dict[str, Any]


@dataclass(frozen=True)
class Sent:
    """What is told of uploads, from several threads.

    Attributes:
        entry: Called after each entry, whether or not it went in.
        data: Called with numbers of bytes that need not be sent any more.
    """

    entry: Callable[[], None]
    data: Callable[[int], None] = lambda _bytes: None


def upload(client: RestClient, entries: Sequence[Entry], sent: Sent) -> tuple[list[Item], list[Failure]]:
    """Put the file of every entry.

    Args:
        client: Repeats what the gateway refuses for the moment.
        entries: At most as many as one job takes.
        sent: Told how it goes on.

    Returns:
        Items for `POST /v1/jobs`, in the order of the entries, and the entries that could not be put.

    Raises:
        CliError: The gateway cannot be used at all.
    """

    def put(entry: Entry) -> Item | Failure:
        progress = _Progress(entry, sent)
        try:
            return _put(client, entry, progress)
        finally:
            progress.end()

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        results = list(pool.map(put, entries))
    items = [result for result in results if not isinstance(result, Failure)]
    return items, [result for result in results if isinstance(result, Failure)]


class _Progress:
    """Adds up to the size of an entry, however its upload ends and however often it begins anew."""

    def __init__(self, entry: Entry, sent: Sent) -> None:
        self._left, self._sent = entry_bytes(entry), sent

    def data(self, count: int) -> None:
        """So many bytes went out."""
        told = min(count, self._left)
        self._left -= told
        self._sent.data(told)

    def end(self) -> None:
        """It is over."""
        self.data(self._left)
        self._sent.entry()


def _put(client: RestClient, entry: Entry, progress: _Progress) -> Item | Failure:
    name = entry.name[-_NAME_LIMIT_CHARS:]
    if entry.path is None:
        return {**entry.fields, "name": name}
    try:
        with entry.path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return Failure(entry.name, "unreadable_file", f"The file cannot be read: {error.strerror}.")
    if not head:
        return Failure(entry.name, "image_empty", "The file is empty.")
    is_picture = entry.role == "picture" or kind_of(entry.path.name, head) == "picture"
    if not is_picture and (reason := _reason_against(entry, entry.path, head)):
        return Failure(entry.name, reason.code, reason.message)
    try:
        if is_picture:
            return {**entry.fields, "name": name, "sha256": _put_picture(client, entry.path, digest, progress)}
        return {"name": name, "upload": _put_file(client, entry.path, digest, progress)}
    except OSError as error:
        return Failure(entry.name, "unreadable_file", f"The file cannot be read: {error.strerror}.")
    except CliError as error:
        if error.code in _STOPPING or error.exit_code == EXIT_UNREACHABLE:
            raise
        return Failure(entry.name, error.code, error.message)


def _reason_against(entry: Entry, path: Path, head: bytes) -> ImageragError | None:
    kind = kind_of(path.name, head)
    return reason_against_inside(kind, head) if entry.role == "member" else reason_against(kind, head)


def _put_picture(client: RestClient, path: Path, digest: str, progress: _Progress) -> str:
    if not client.has_media(digest):
        client.put_file("/v1/media", path, progress.data)
    return digest


def _put_file(client: RestClient, path: Path, digest: str, progress: _Progress) -> str:
    if not client.has_upload(digest):
        return str(client.put_file("/v1/uploads", path, progress.data)["sha256"])
    return digest
