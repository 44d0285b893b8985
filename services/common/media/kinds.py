"""By what a file is read: its first bytes say so, and its name where they say nothing. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

from services.common.errors import ImageragError, InvalidRequestError, UnsupportedMediaTypeError
from services.common.media.signatures import HEAD_BYTES, ContainerType, container_type, likely_kind, sniff

Kind = ContainerType | Literal["picture", "office", "text", "unknown"]
"""`text` is plain text under a name that does not say what it is for; `office` a ZIP of an office program."""

# Refused ones too: a HEIC photo is reported with the reason, a text file beside the photos is not.
PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".svg"}
)
_SUFFIXES: dict[str, Kind] = {
    **dict.fromkeys(PICTURE_SUFFIXES, "picture"),
    **dict.fromkeys((".pdf", ".txt", ".text", ".md", ".markdown"), "document"),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar"), "archive"),
    **dict.fromkeys((".jsonl", ".ndjson", ".csv", ".tsv", ".parquet"), "manifest"),
    **dict.fromkeys((".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts"), "video"),
    **dict.fromkeys((".m2ts", ".flv", ".wmv", ".asf", ".ogv", ".3gp", ".3g2"), "video"),
}
_OF_LETTERS = ("document", "manifest", "picture")
"""Kinds of file that may be text: an SVG drawing is one."""
_OFFICE = frozenset({".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".epub", ".doc", ".xls", ".ppt", ".rtf"})


def kind_of(name: str, head: bytes) -> Kind:
    """What a file is.

    Args:
        name: Its file name.
        head: Its first `HEAD_BYTES`.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _OFFICE:
        return "office"
    named = _SUFFIXES.get(suffix)
    if is_text(head) and not head.startswith(b"%PDF-"):
        # A text may begin with "BM" as a bitmap does, and ".ts" is a program as often as a video.
        return (named if named in _OF_LETTERS else "unknown") if named else "text"
    content: Kind | None = "picture" if sniff(head) else container_type(head)
    return content or named or "unknown"


def is_text(head: bytes) -> bool:
    """Whether the beginning of a file can be read as UTF-8; its last letter may be cut."""
    if not head or b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return len(head) >= HEAD_BYTES and error.start > len(head) - 4
    return True


def reason_against(kind: Kind, head: bytes) -> ImageragError | None:
    """Why a file is not read at all; None if it is.

    Args:
        kind: From `kind_of`.
        head: As there.
    """
    if kind == "office":
        return UnsupportedMediaTypeError("This is a document of an office program. Save it as PDF.")
    if kind != "unknown":
        return None
    if not head:
        return InvalidRequestError("The file is empty.")
    words = likely_kind(head)
    found = f"This looks like {words}." if words else "Nobody here knows what this is."
    return UnsupportedMediaTypeError(f"{found} Pictures, PDF, texts, ZIP, TAR and videos are read.")


def reason_against_inside(kind: Kind, head: bytes) -> ImageragError | None:
    """Why a file of a folder is not read, though it might be for itself; as `reason_against`."""
    if kind == "manifest":
        return UnsupportedMediaTypeError(
            "This is a table. If it describes what is to be taken in, start a job of the type 'manifest' for it."
        )
    if kind == "text":
        return UnsupportedMediaTypeError("This is a text of another kind. Name it .txt or .md to take it in.")
    return reason_against(kind, head)
