"""The names of members: what may stand in them, and what they say about their kind. Pure."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from services.common.errors import ArchiveUnsafeError

MAX_NAME_BYTES = 4096
_DRIVE = re.compile(r"[A-Za-z]:")
_LITTER = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
_TEXT_SUFFIXES = frozenset({".json", ".txt", ".caption", ".md", ".cls"})
_TABLES = frozenset({"metadata.jsonl", "metadata.csv", "manifest.jsonl", "manifest.csv"})


def as_text(raw: bytes) -> str:
    """A member's name as text; bytes that are not UTF-8 are spelled out."""
    return raw.decode("utf-8", "backslashreplace")


def utf8_of_zip(raw: bytes, *, is_utf8: bool) -> bytes:
    """A name of a ZIP in UTF-8.

    Without the flag it is in code page 437, says the format. In practice it is in the packing system's encoding:
    UTF-8 on macOS and Linux, GBK on a Chinese Windows, whose usual characters (GB 2312) can be told apart.

    Args:
        raw: As it stands in the archive.
        is_utf8: What the archive says of it.
    """
    if is_utf8:
        return raw
    for encoding in ("utf-8", "gb2312"):
        try:
            return raw.decode(encoding).encode()
        except UnicodeDecodeError:
            continue
    return raw.decode("cp437").encode()


def safe_name(raw: bytes, max_depth: int) -> str:
    """The path of a member below the archive's root, with `/` between its parts.

    Nothing is ever written under this name. It is checked because a name that leads elsewhere is the mark of an
    archive that is built to do harm, and because others may use it as a path.

    Args:
        raw: As it stands in the archive, `/` or `\\` between the parts.
        max_depth: Most folders above the member.

    Raises:
        ArchiveUnsafeError: It leads out of the archive, or is no usable name.
    """
    if b"\0" in raw:
        raise ArchiveUnsafeError("Its name contains a zero byte.")
    if not raw or len(raw) > MAX_NAME_BYTES:
        raise ArchiveUnsafeError(f"Its name is empty or longer than {MAX_NAME_BYTES:,} bytes.")
    slashed = raw.replace(b"\\", b"/")
    if slashed.startswith(b"/") or _DRIVE.match(as_text(slashed)):
        raise ArchiveUnsafeError("Its name is an absolute path. Pack the files by relative names.")
    parts = [part for part in slashed.split(b"/") if part not in {b"", b"."}]
    if b".." in parts:
        raise ArchiveUnsafeError("Its name leads out of the archive by '..'.")
    if not parts:
        raise ArchiveUnsafeError("Its name names no file.")
    if len(parts) > max_depth + 1:
        raise ArchiveUnsafeError(f"It lies below more than {max_depth} folders.")
    return as_text(b"/".join(parts))


def is_litter(name: str) -> bool:
    """Whether a system or a person hid it: nobody asks for it, so it is left out without a word."""
    return any(part.startswith(".") or part in _LITTER for part in name.split("/"))


def is_text(name: str) -> bool:
    """Whether it describes the picture beside it, or is a text of its own."""
    return PurePosixPath(name).suffix.lower() in _TEXT_SUFFIXES


def is_table(name: str) -> bool:
    """Whether it is a table that describes pictures by their paths."""
    return PurePosixPath(name).name.lower() in _TABLES


def sample_key(name: str) -> str:
    """What the members of one WebDataset sample share: the path up to the first dot of the file's name.

    Source: https://github.com/webdataset/webdataset, "The WebDataset Format".
    """
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.split(".", 1)[0]


def stem(name: str) -> str:
    """The path without its last suffix."""
    return name.removesuffix(PurePosixPath(name).suffix)
