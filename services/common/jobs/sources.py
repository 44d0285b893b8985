"""Lines of a job from what lies on the server: a folder or a manifest, below the folders that are allowed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.common.domain import Position
from services.common.errors import ImageragError, InvalidRequestError
from services.common.jobs.ledger import MAX_JOB_LINES
from services.common.jobs.records import ManifestLine
from services.common.jobs.roots import allowed, read_allowed
from services.common.media.signatures import sniff

MAX_MANIFEST_BYTES = 512 * 1024 * 1024
_SNIFF_BYTES = 16
# Refused ones too: a HEIC photo is reported with the reason, a text file beside the photos is not.
_PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".svg"}
)


@dataclass(frozen=True)
class RejectedLine:
    """Something that cannot become a line of a job.

    Attributes:
        number: 1-based line of the manifest; 0 for a file of a folder.
        code: Code of the error tree.
    """

    number: int
    name: str
    code: str
    message: str


@dataclass(frozen=True)
class SourceLines:
    """What a source holds."""

    lines: list[ManifestLine] = field(default_factory=list)
    rejected: list[RejectedLine] = field(default_factory=list)


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


def folder_lines(path: str, roots: Sequence[Path]) -> SourceLines:
    """Every picture below a folder, by name; hidden files and folders are left out.

    A file counts as a picture by its suffix or, failing that, by its first bytes.

    Args:
        path: The folder.
        roots: Allowed folders.

    Raises:
        ForbiddenError: Outside the allowed folders, or there are none.
        InvalidRequestError: Not a folder, or it holds more pictures than a job may have.
    """
    folder = allowed(path, roots)
    if not folder.is_dir():
        raise InvalidRequestError(f"{path!r} is not a folder on the server.")
    found = SourceLines()
    for file in _files(folder):
        name = file.relative_to(folder).as_posix()
        try:
            name.encode()
            target = allowed(str(file), roots)
        except UnicodeEncodeError:
            shown = name.encode(errors="replace").decode()
            found.rejected.append(RejectedLine(0, shown, InvalidRequestError.code, _RENAME))
        except ImageragError as error:
            found.rejected.append(RejectedLine(0, name, error.code, error.message))
        else:
            if target.is_file() and _is_picture(file):
                found.lines.append(ManifestLine(name=name, path=str(file), source_uri=file.as_uri()))
        _check_count(found)
    return found


def manifest_lines(path: str, roots: Sequence[Path]) -> SourceLines:
    """The lines of a JSONL manifest: one object a line, with `path`, `text` or both, and metadata.

    Fields: path (absolute, or relative to the manifest), name, key, key_column, title, text, tags, metadata,
    source_uri, document_id, position. Empty lines are skipped.

    Args:
        path: The manifest, as a path or a `file://` URI.
        roots: Allowed folders, for the manifest and for the paths in it.

    Raises:
        ForbiddenError: Outside the allowed folders, or there are none.
        InvalidRequestError: Not a file, too large, or not UTF-8.
    """
    manifest = allowed(_as_path(path), roots)
    data = read_allowed(str(manifest), roots, MAX_MANIFEST_BYTES)
    found = SourceLines()
    for number, raw in enumerate(data.split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            found.lines.append(_parse(raw, number, manifest.parent, roots))
        except ImageragError as error:
            message = f"Line {number}: {error.message}"
            found.rejected.append(RejectedLine(number, f"line {number}", error.code, message))
        _check_count(found)
    return found


_RENAME = "The file's name is not valid Unicode. Rename it."


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(parent, name)


def _is_picture(file: Path) -> bool:
    if file.suffix.lower() in _PICTURE_SUFFIXES:
        return True
    try:
        with file.open("rb") as opened:
            return sniff(opened.read(_SNIFF_BYTES)) is not None
    except OSError:
        return False


def _parse(raw: bytes, number: int, folder: Path, roots: Sequence[Path]) -> ManifestLine:
    try:
        entry = _Entry.model_validate_json(raw)
    except ValidationError as error:
        raise InvalidRequestError(_explain(error)) from None
    if not (entry.path or entry.text or entry.title):
        raise InvalidRequestError("Neither a path nor a text: there is nothing to find the item by.")
    target = str(allowed(str(folder / _as_path(entry.path)), roots)) if entry.path else ""
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


def _as_path(uri: str) -> str:
    """The path of a `file://` URI; anything else is taken as a path.

    Raises:
        InvalidRequestError: Another scheme, or a host.
    """
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return unquote(parts.path)
    if "://" in uri:
        raise InvalidRequestError(f"{uri[:200]!r}: only paths and file:// URIs of the server are read.")
    return uri


def _check_count(found: SourceLines) -> None:
    if len(found.lines) + len(found.rejected) > MAX_JOB_LINES:
        raise InvalidRequestError(f"More than {MAX_JOB_LINES:,} items. Split them into several jobs.")
