"""The snapshot file: written as a stream, unpacked with every path, kind and size checked.

snapshot.json    format, engine, points, and the collection's description
shard/...        the engine's folder
snapshot.end     empty: what lacks it was cut off
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import orjson
import structlog
from pydantic import TypeAdapter

from services.common.durable import sync_path
from services.common.errors import InvalidRequestError
from services.store.description import Description
from services.store.snapshots.sparse import add_sparse

log = structlog.get_logger(__name__)

FORMAT = 1
_HEADER, _SHARD, _END = "snapshot.json", "shard", "snapshot.end"
_HEADER_LIMIT_BYTES = 16 << 20
_MEMBER_LIMIT = 200_000
"""A shard has about thirty files a segment."""
_DEPTH_LIMIT, _NAME_BYTES = 16, 200
"""Of a name in the archive, and of each part of it."""
_UNREADABLE = (tarfile.TarError, ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError)
"""What `tarfile` raises on a file that is none."""


class StoppedError(Exception):
    """Writing was given up."""


@dataclass(frozen=True, slots=True)
class Header:
    """The content of `snapshot.json`.

    Attributes:
        points: Points at the moment of the snapshot.
        description: Of the collection; its `name` and `shard` are those it had then.
        engine: Version of the engine that wrote the files.
        format: Of the archive.
    """

    points: int
    description: Description
    engine: str = version("qdrant-edge-py")
    format: int = FORMAT


_HEADERS = TypeAdapter(Header)


class _Hashing:
    """Passes what is written on to a file and hashes it."""

    def __init__(self, file: BinaryIO, stop: threading.Event) -> None:
        self._file, self._stop = file, stop
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        if self._stop.is_set():
            raise StoppedError
        self.digest.update(data)
        return self._file.write(data)


def write_archive(shard: Path, header: Header, target: Path, stop: threading.Event) -> str:
    """Write the snapshot of a shard folder that nobody changes; on return it survives a crash.

    Returns:
        SHA-256 of the file, in hexadecimal.

    Raises:
        StoppedError: `stop` was set meanwhile.
    """
    with target.open("xb") as file:
        hashing = _Hashing(file, stop)
        with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
            _add_header(archive, header)
            for path in sorted(shard.rglob("*")):
                name = f"{_SHARD}/{path.relative_to(shard).as_posix()}"
                if path.is_dir():
                    archive.addfile(_folder(name))
                else:
                    add_sparse(archive, path, name)
            archive.addfile(tarfile.TarInfo(_END))
        file.flush()
        os.fsync(file.fileno())
    return hashing.digest.hexdigest()


def _add_header(archive: tarfile.TarFile, header: Header) -> None:
    content = orjson.dumps(asdict(header))
    member = tarfile.TarInfo(_HEADER)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _folder(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, 0o755
    return member


def read_header(archive: Path) -> Header:
    """The first member of a snapshot.

    Raises:
        InvalidRequestError: The file is no snapshot of this store.
    """
    with _reading(archive) as (opened, _):
        member = opened.next()
        content = opened.extractfile(member) if member is not None and member.name == _HEADER else None
        if member is None or content is None or member.size > _HEADER_LIMIT_BYTES:
            raise ValueError("no header")
        header = _HEADERS.validate_json(content.read())
        if header.format != FORMAT:
            raise InvalidRequestError(f"The snapshot has format {header.format}; this store reads {FORMAT}.")
        header.description.collection_spec()
        return header


def unpack_shard(archive: Path, folder: Path, limit_bytes: int) -> None:
    """Unpack the engine's files into `folder`, which must not exist; on return they survive a crash.

    Nothing outside `folder` is touched, whatever the names are: links, devices, absolute names, `..` are refused.

    Args:
        archive: The snapshot.
        folder: Becomes the shard's folder.
        limit_bytes: Most bytes of all files together, holes included.

    Raises:
        InvalidRequestError: A member is not allowed, or the file is damaged or too large.
    """
    folder.mkdir()
    sync_path(folder.parent)
    room, complete = limit_bytes, False
    with _reading(archive) as (opened, source):
        for count, member in enumerate(opened):
            complete = member.name == _END
            if member.name in (_HEADER, _END):
                continue
            room -= member.size
            if count > _MEMBER_LIMIT or room < 0 or member.size < 0:
                raise InvalidRequestError(f"The snapshot unpacks to more than {limit_bytes} bytes.")
            _unpack_member(source, member, folder)
        if not complete:
            raise EOFError("the end is missing")
    for path, _, _ in os.walk(folder):
        sync_path(Path(path))


def _unpack_member(source: BinaryIO, member: tarfile.TarInfo, folder: Path) -> None:
    target = folder.joinpath(*_inner_parts(member.name))
    if member.isdir():
        target.mkdir(exist_ok=True)
        return
    if not member.isreg():
        raise InvalidRequestError(f"The snapshot holds {member.name[:200]!r}, which is no plain file.")
    with target.open("xb") as file:
        extents: list[Any] = [(0, member.size)] if member.sparse is None else list(member.sparse)
        source.seek(member.offset_data)
        _fill(file, source, extents, member.size)
        file.flush()
        os.fsync(file.fileno())


def _fill(file: BinaryIO, source: BinaryIO, extents: Sequence[tuple[int, int]], file_size: int) -> None:
    end = 0
    for offset, size in extents:
        if not end <= offset <= offset + size <= file_size:
            raise ValueError("extents overlap or lie outside")
        end = offset + size
        file.seek(offset)
        _copy(source, file, size)
    file.truncate(file_size)


def _inner_parts(name: str) -> tuple[str, ...]:
    parts = PurePosixPath(name).parts
    if len(parts) < 2 or len(parts) > _DEPTH_LIMIT or parts[0] != _SHARD or not all(map(_is_plain, parts)):
        raise InvalidRequestError(f"The snapshot holds {name[:200]!r}, which has no business there.")
    return parts[1:]


def _is_plain(part: str) -> bool:
    return part not in (".", "..", "/") and not set(part) & {"\\", "\0"} and len(os.fsencode(part)) <= _NAME_BYTES


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size > 0:
        block = source.read(min(size, 1 << 20))
        if not block:
            raise EOFError("the file is cut off")
        target.write(block)
        size -= len(block)


@contextmanager
def _reading(path: Path) -> Iterator[tuple[tarfile.TarFile, BinaryIO]]:
    """Open a snapshot; whatever its content makes `tarfile` raise becomes one error."""
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            yield archive, file
    except (*_UNREADABLE, FileExistsError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        log.warning("snapshot_unreadable", detail=repr(error))
        raise InvalidRequestError("The file is no snapshot of this store, or it is damaged.") from None
