"""Pictures to the gateway, a few at once, each only if it is not there yet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from services.cli.errors import EXIT_UNREACHABLE, CliError
from services.cli.ingestion.entries import Entry, Failure
from services.cli.rest.client import RestClient

CONCURRENCY = 4
_NAME_LIMIT_CHARS = 512
_STOPPING = frozenset({"unauthenticated", "forbidden", "unreachable"})
"""What goes wrong with one upload in this way goes wrong with all."""

Item = dict[str, Any]


def upload(
    client: RestClient, entries: Sequence[Entry], done: Callable[[], None]
) -> tuple[list[Item], list[Failure]]:
    """Put the picture of every entry.

    Args:
        client: Repeats what the gateway refuses for the moment.
        entries: At most as many as one job takes.
        done: Called after each entry, from several threads.

    Returns:
        Items for `POST /v1/jobs`, in the order of the entries, and the entries that could not be put.

    Raises:
        CliError: The gateway cannot be used at all.
    """

    def put(entry: Entry) -> Item | Failure:
        try:
            return _put(client, entry)
        finally:
            done()

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        results = list(pool.map(put, entries))
    items = [result for result in results if not isinstance(result, Failure)]
    return items, [result for result in results if isinstance(result, Failure)]


def _put(client: RestClient, entry: Entry) -> Item | Failure:
    item: Item = {**entry.fields, "name": entry.name[-_NAME_LIMIT_CHARS:]}
    if entry.path is None:
        return item
    try:
        data = entry.path.read_bytes()
    except OSError as error:
        return Failure(entry.name, "unreadable_file", f"The file cannot be read: {error.strerror}.")
    if not data:
        return Failure(entry.name, "image_empty", "The file is empty.")
    try:
        return {**item, "sha256": _put_once(client, data)}
    except CliError as error:
        if error.code in _STOPPING or error.exit_code == EXIT_UNREACHABLE:
            raise
        return Failure(entry.name, error.code, error.message)


def _put_once(client: RestClient, data: bytes) -> str:
    digest = hashlib.sha256(data).hexdigest()
    if client.has_media(digest):
        return digest
    return str(client.put_media(data)["sha256"])
