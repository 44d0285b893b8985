"""A JSONL manifest on the server: one object a line, with `path`, `text` or both, and metadata."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.common.domain import Position
from services.common.errors import ImageragError, InvalidRequestError, PayloadTooLargeError
from services.common.jobs.records import ManifestLine
from services.common.jobs.roots import allowed, open_allowed, source_path
from workers.sources.source import Listed

MAX_MANIFEST_BYTES = 64 * 1024**3
MAX_LINE_BYTES = 4 * 1024 * 1024


class _Entry(BaseModel):
    """One line of a manifest."""

    model_config = ConfigDict(extra="forbid", strict=True, str_max_length=1_000_000)

    path: str = ""
    name: str = ""
    key: str = ""
    key_column: str = ""
    title: str = ""
    text: str = ""
    tags: list[str] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)
    source_uri: str = ""
    document_id: str = ""
    position: Position | None = None


class ManifestSource:
    """The lines of a manifest.

    Fields: path (absolute, or relative to the manifest), name, key, key_column, title, text, tags, metadata,
    source_uri, document_id, position. Empty lines are skipped; a wrong line is named, and the others stay.

    Args:
        path: The manifest, as a path or a `file://` URI.
        roots: Allowed folders, for the manifest and for the paths in it.
    """

    def __init__(self, path: str, roots: Sequence[Path]) -> None:
        self._path, self._roots = path, roots

    def lines(self, after: str) -> Iterator[Listed]:
        """See `Source.lines`; a cursor is `byte offset:line number` of what comes next."""
        manifest = allowed(source_path(self._path), self._roots)
        offset, number = (int(part) for part in after.split(":")) if after else (0, 0)
        with open_allowed(str(manifest), self._roots, MAX_MANIFEST_BYTES) as file:
            file.seek(offset)
            while raw := _read_line(file):
                number += 1
                if raw.strip():
                    yield self._listed(raw, number, manifest.parent, f"{file.tell()}:{number}")

    def _listed(self, raw: bytes, number: int, folder: Path, cursor: str) -> Listed:
        try:
            if len(raw) > MAX_LINE_BYTES:
                raise PayloadTooLargeError(f"It is longer than {MAX_LINE_BYTES:,} bytes.")
            return Listed(_parse(raw, number, folder, self._roots), cursor)
        except ImageragError as error:
            error.message = f"Line {number}: {error.message}"
            return Listed(ManifestLine(f"line {number}"), cursor, error)


def _read_line(file: BinaryIO) -> bytes:
    """The next line; of one that is too long, its beginning, and the rest is passed over."""
    line = file.readline(MAX_LINE_BYTES + 1)
    rest = line
    while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
        rest = file.readline(MAX_LINE_BYTES + 1)
    return line


def _parse(raw: bytes, number: int, folder: Path, roots: Sequence[Path]) -> ManifestLine:
    try:
        entry = _Entry.model_validate_json(raw)
    except ValidationError as error:
        raise InvalidRequestError(_explain(error)) from None
    if not (entry.path or entry.text or entry.title):
        raise InvalidRequestError("Neither a path nor a text: there is nothing to find the item by.")
    target = str(allowed(str(folder / source_path(entry.path)), roots)) if entry.path else ""
    return ManifestLine(
        name=entry.name or entry.path or f"line {number}",
        key=entry.key,
        key_column=entry.key_column,
        path=target,
        title=entry.title,
        text=entry.text,
        tags=tuple(entry.tags),
        metadata=entry.metadata,
        source_uri=entry.source_uri or (Path(target).as_uri() if target else ""),
        document_id=entry.document_id,
        position=entry.position,
    )


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}." if where else f"{first['msg']}."
