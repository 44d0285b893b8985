"""What bytes say about themselves, before any decoder sees them."""

from __future__ import annotations

from typing import Literal

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

ContainerType = Literal["archive", "document", "manifest", "video"]
HEAD_BYTES = 1024
"""Of a file, for `container_type`."""
_CONTAINERS: tuple[tuple[int, bytes, ContainerType], ...] = (
    (0, b"PK\x03\x04", "archive"),
    (0, b"PK\x05\x06", "archive"),
    (0, b"\x1f\x8b", "archive"),
    (0, b"BZh", "archive"),
    (0, b"\xfd7zXZ\x00", "archive"),
    (0, b"\x28\xb5\x2f\xfd", "archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "archive"),
    (0, b"Rar!\x1a\x07", "archive"),
    (257, b"ustar", "archive"),
    (0, b"PAR1", "manifest"),
    (0, b"\x1aE\xdf\xa3", "video"),  # Matroska, WebM
    (0, b"FLV\x01", "video"),
    (0, b"OggS", "video"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video"),  # WMV
    (0, b"\x00\x00\x01\xba", "video"),  # MPEG
    (8, b"AVI ", "video"),
    (4, b"moov", "video"),  # QuickTime of old
    (4, b"mdat", "video"),
    (4, b"wide", "video"),
)
# ISO base media files say in bytes 8 to 12 what they are; these are pictures or sound.
_NO_VIDEO = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"M4A ", b"M4B ")
_PACKET_BYTES = 188  # of an MPEG transport stream, each beginning with 0x47


def sniff(data: bytes) -> str | None:
    """The format that the first bytes announce, or None if it is not an allowed one."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((name for start, name in _STARTS if data.startswith(start)), None)


def likely_kind(data: bytes) -> str | None:
    """What a refused file probably is, in words for a person; None if that is anyone's guess."""
    head = data[:_LOOK_BYTES].lower()
    return next((words for mark, words in _REFUSED if mark in head), None)


def container_type(head: bytes) -> ContainerType | None:
    """What sort of container the first bytes announce; None of pictures, texts and everything else.

    Args:
        head: The first `HEAD_BYTES` of the file.
    """
    if b"%PDF-" in head:
        return "document"
    if head[4:8] == b"ftyp":
        return None if head[8:12] in _NO_VIDEO else "video"
    if len(head) > 2 * _PACKET_BYTES and set(head[: 3 * _PACKET_BYTES : _PACKET_BYTES]) == {0x47}:
        return "video"
    return next((kind for start, mark, kind in _CONTAINERS if head[start:].startswith(mark)), None)


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
