"""What bytes say about themselves, before any decoder sees them."""

from __future__ import annotations

MIME = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
"""The formats that may be decoded at all, by Pillow's name for them."""

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
)

_REFUSED: tuple[tuple[bytes, str], ...] = (
    (b"<svg", "an SVG drawing"),
    (b"%pdf", "a PDF document"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"ftypheic", "a HEIC photo"),
    (b"ftypavif", "an AVIF picture"),
    (b"ftyp", "a video"),
    (b"pk\x03\x04", "a ZIP archive or an office document"),
    (b"%!ps", "a PostScript file"),
)
_LOOK_BYTES = 512


def sniff(data: bytes) -> str | None:
    """The format that the first bytes announce, or None if it is not an allowed one."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((name for start, name in _STARTS if data.startswith(start)), None)


def likely_kind(data: bytes) -> str | None:
    """What a refused file probably is, in words for a person; None if that is anyone's guess."""
    head = data[:_LOOK_BYTES].lower()
    return next((words for mark, words in _REFUSED if mark in head), None)


def ends_early(format_name: str, data: bytes) -> bool:
    """Whether the end that a complete file of this format has is missing; BMP and TIFF have none."""
    if format_name == "JPEG":
        return b"\xff\xd9" not in data[-4096:]
    if format_name == "PNG":
        return b"IEND" not in data[-4096:]
    if format_name == "GIF":
        return not data.rstrip(b"\x00").endswith(b";")
    if format_name == "WEBP":
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    return False
