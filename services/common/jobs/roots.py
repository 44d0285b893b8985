"""Files of the server that may be read on a caller's word: below the allowed folders, wherever links lead."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from services.common.errors import ForbiddenError, InvalidRequestError, NotFoundError, PayloadTooLargeError

SETTING = "IMAGERAG_SOURCE_ROOTS"


def parse_roots(text: str) -> tuple[Path, ...]:
    """Folders of a setting: separated by commas, or a JSON list.

    Raises:
        ValueError: A folder is not absolute.
    """
    inner = text.strip().removeprefix("[").removesuffix("]")
    roots = tuple(Path(part.strip().strip("\"'")) for part in inner.split(",") if part.strip())
    for root in roots:
        if not root.is_absolute():
            raise ValueError(f"{str(root)!r} is not an absolute path")
    return roots


def allowed(path: str, roots: Sequence[Path]) -> Path:
    """`path` with its links followed, if it then lies below an allowed folder. It need not exist.

    Raises:
        ForbiddenError: It lies elsewhere, or no folder is allowed.
        InvalidRequestError: Not a path.
    """
    if not roots:
        raise ForbiddenError(
            f"Reading files of the server is switched off. Set {SETTING} to the folders it may read."
        )
    try:
        target = Path(path).resolve()
    except (OSError, ValueError, RuntimeError):
        raise InvalidRequestError(f"{path[:200]!r} is not a path.") from None
    if any(target.is_relative_to(root.resolve()) for root in roots):
        return target
    raise ForbiddenError(f"{path[:200]!r} is outside the folders that {SETTING} allows.")


def source_path(uri: str) -> str:
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


def read_allowed(path: str, roots: Sequence[Path], max_bytes: int) -> bytes:
    """The bytes of a regular file below an allowed folder.

    Raises:
        ForbiddenError: As in `allowed`.
        NotFoundError: There is no such file.
        InvalidRequestError: It is not a regular file, or it cannot be read.
        PayloadTooLargeError: More than `max_bytes`.
    """
    with open_allowed(path, roots, max_bytes) as file:
        return file.read(max_bytes)


def open_allowed(path: str, roots: Sequence[Path], max_bytes: int) -> BinaryIO:
    """Open a regular file below an allowed folder; errors as in `read_allowed`."""
    target = allowed(path, roots)
    try:
        # A pipe would block the reader for ever; a link put there since must not be followed.
        handle = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {path[:200]!r} on the server.") from None
    except (OSError, ValueError):
        raise InvalidRequestError(f"The server cannot read {path[:200]!r}.") from None
    try:
        _check(handle, path, max_bytes)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _check(handle: int, path: str, max_bytes: int) -> None:
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        raise InvalidRequestError(f"{path[:200]!r} is not a file.")
    if status.st_size > max_bytes:
        raise PayloadTooLargeError(f"{path[:200]!r} has {status.st_size:,} bytes; at most {max_bytes:,} are read.")
