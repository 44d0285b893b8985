"""What there is to ingest under a path: one entry a picture or manifest line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.cli.errors import CliError

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
"""What a folder is searched for; the server judges by content."""
MANIFEST_SUFFIXES = frozenset({".jsonl", ".ndjson"})
_FIELDS = frozenset({"key", "title", "text", "tags", "metadata", "source_uri", "document_id", "name"})


@dataclass(frozen=True)
class Entry:
    """One thing to ingest.

    Attributes:
        name: What progress and failures call it.
        path: The picture; None for text alone.
        fields: The item's fields as the REST interface names them.
    """

    name: str
    path: Path | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """An entry that did not go in."""

    name: str
    code: str
    message: str


def gather(path: Path, *, with_names: bool = True) -> tuple[list[Entry], list[Failure]]:
    """The entries under `path`: a picture, a folder (recursively), or a JSONL manifest.

    Args:
        path: Where to look.
        with_names: Store file names as titles and sources; else pictures go in by their pixels alone.

    Returns:
        Entries in a stable order, and manifest lines that cannot be used.

    Raises:
        CliError: There is no such path.
    """
    if path.is_dir():
        files = (found for found in sorted(path.rglob("*")) if _is_picture(found, path))
        return [_picture(found, found.relative_to(path).as_posix(), with_names) for found in files], []
    if not path.is_file():
        raise CliError(f"There is no file or folder {path}.", "Check the path.", code="not_found")
    if path.suffix.lower() in MANIFEST_SUFFIXES:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return read_manifest(lines, path.parent)
    return [_picture(path, path.name, with_names)], []


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


def chunks(entries: list[Entry], size: int) -> Iterator[list[Entry]]:
    """`entries` in lists of at most `size`."""
    for start in range(0, len(entries), size):
        yield entries[start : start + size]


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


def _picture(path: Path, shown: str, with_names: bool) -> Entry:
    return Entry(shown, path, {"title": path.name, "source_uri": shown} if with_names else {})


def _is_picture(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return not hidden and path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()
