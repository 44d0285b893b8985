"""What there is to ingest under a path: one entry a file or manifest line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from services.cli.errors import CliError
from services.common.media.kinds import PICTURE_SUFFIXES

MANIFEST_SUFFIXES = frozenset({".jsonl", ".ndjson"})
_FIELDS = frozenset({"key", "title", "text", "tags", "metadata", "source_uri", "document_id", "name"})
_LITTER = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
"""Left behind by systems; hidden files are left out by their first letter."""

CHUNK_BYTES = 1_000_000_000
"""Of the files of one job: workers begin with the first ones while others are sent."""

Role = Literal["picture", "file", "member"]
"""`picture`: is to be one; `file`: was named by a person and may be anything; `member`: was found in a folder."""


@dataclass(frozen=True)
class Entry:
    """One thing to ingest.

    Attributes:
        name: What progress and failures call it.
        path: The file; None for text alone.
        fields: The item's fields as the REST interface names them, if it is a picture or text.
        role: What is expected of the file.
    """

    name: str
    path: Path | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    role: Role = "picture"


@dataclass(frozen=True)
class Failure:
    """An entry that did not go in."""

    name: str
    code: str
    message: str


def gather(
    path: Path, *, with_names: bool = True, only_pictures: bool = False
) -> tuple[list[Entry], list[Failure]]:
    """The entries under `path`: a file, a folder (recursively), or the lines of a JSONL manifest.

    Args:
        path: Where to look.
        with_names: Store file names as titles and sources of pictures; else they go in by their pixels alone.
        only_pictures: Leave out what has not the name of a picture.

    Returns:
        Entries in a stable order, and manifest lines that cannot be used.

    Raises:
        CliError: There is no such path.
    """
    if path.is_dir():
        found = (file for file in sorted(path.rglob("*")) if _is_meant(file, path, only_pictures=only_pictures))
        return [_file(file, file.relative_to(path).as_posix(), "member", with_names) for file in found], []
    if not path.is_file():
        raise CliError(f"There is no file or folder {path}.", "Check the path.", code="not_found")
    if path.suffix.lower() in MANIFEST_SUFFIXES:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return read_manifest(lines, path.parent)
    return [_file(path, path.name, "file", with_names)], []


def read_manifest(lines: Iterable[str], folder: Path) -> tuple[list[Entry], list[Failure]]:
    """The entries of a manifest: one JSON object a line, `path` relative to the manifest's own folder.

    `{"path": "dress.jpg", "key": "sku-1", "title": "Red dress", "tags": ["dress"], "metadata": {"price": 299}}`;
    a line without `path` is text alone. Empty lines are skipped.
    """
    entries, failures = list[Entry](), list[Failure]()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entries.append(_manifest_entry(line, f"line {number}", folder))
        except ValueError as error:
            failures.append(Failure(f"line {number}", "invalid_request", str(error)))
    return entries, failures


def chunks(entries: Iterable[Entry], size: int, limit_bytes: int = CHUNK_BYTES) -> Iterator[list[Entry]]:
    """`entries` in lists of at most `size`, and of not many more bytes than `limit_bytes`."""
    chunk, held_bytes = list[Entry](), 0
    for entry in entries:
        chunk.append(entry)
        held_bytes += entry_bytes(entry)
        if len(chunk) == size or held_bytes >= limit_bytes:
            yield chunk
            chunk, held_bytes = [], 0
    if chunk:
        yield chunk


def size_bytes(entries: Iterable[Entry]) -> int:
    """How much there is to upload; what cannot be looked at counts nothing."""
    return sum(map(entry_bytes, entries))


def entry_bytes(entry: Entry) -> int:
    """How large the file of an entry is; 0 if it has none or cannot be looked at."""
    try:
        return entry.path.stat().st_size if entry.path else 0
    except OSError:
        return 0


def _manifest_entry(line: str, name: str, folder: Path) -> Entry:
    try:
        found = json.loads(line)
    except ValueError:
        raise ValueError("It is not JSON.") from None
    if not isinstance(found, dict):
        raise ValueError("It is not a JSON object.")
    unknown = sorted(set(found) - _FIELDS - {"path"})
    if unknown:
        raise ValueError(f"Unknown field {unknown[0]!r}: your own fields go under 'metadata'.")
    path = found.pop("path", None)
    if path is not None and not isinstance(path, str):
        raise ValueError("'path' must be a string.")
    shown = str(found.get("name") or path or found.get("key") or name)
    return Entry(shown, folder / path if path else None, found)


def _file(path: Path, shown: str, role: Role, with_names: bool) -> Entry:
    return Entry(shown, path, {"title": path.name, "source_uri": shown} if with_names else {}, role)


def _is_meant(path: Path, root: Path, *, only_pictures: bool) -> bool:
    parts = path.relative_to(root).parts
    if any(part.startswith(".") or part in _LITTER for part in parts):
        return False
    return (not only_pictures or path.suffix.lower() in PICTURE_SUFFIXES) and path.is_file()
