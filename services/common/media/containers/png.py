"""PNG: a signature and chunks (W3C PNG, third edition, section 5)."""

from __future__ import annotations

import zlib

from services.common.media.containers.structure import UPRIGHT, OddStructureError, orientation_exif

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
# Transparency, colour, and the frames of an animation: what changes the pixels that are shown.
_KEPT = _CRITICAL | {
    b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"bKGD", b"pHYs", b"hIST",
    b"acTL", b"fcTL", b"fdAT",
}  # fmt: skip
_FRAME_BYTES = 12
"""Length, name and check sum of a chunk."""


def strip(data: bytes, orientation: int) -> bytes:
    """Keep the chunks that the pixels need; text, times, EXIF and private chunks go, and what follows the end.

    Raises:
        OddStructureError: No header chunk first, or a critical chunk that the standard does not know.
    """
    if not data.startswith(_SIGNATURE) or data[12:16] != b"IHDR":
        raise OddStructureError
    kept, at, name = [_SIGNATURE], len(_SIGNATURE), b""
    while at + 8 <= len(data) and name != b"IEND":
        name = data[at + 4 : at + 8]
        stop = at + _FRAME_BYTES + int.from_bytes(data[at : at + 4], "big")
        if name in _KEPT:
            kept.append(data[at:stop])
        elif not name[0] & 0x20:
            raise OddStructureError
        if name == b"IHDR" and orientation != UPRIGHT:
            kept.append(_chunk(b"eXIf", orientation_exif(orientation)))
        at = stop
    return b"".join(kept)


def _chunk(name: bytes, payload: bytes) -> bytes:
    check = zlib.crc32(name + payload).to_bytes(4, "big")
    return len(payload).to_bytes(4, "big") + name + payload + check
