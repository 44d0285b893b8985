"""WebP: RIFF chunks, with flags in the extended header (RFC 9649, section 2)."""

from __future__ import annotations

from services.common.media.containers.structure import UPRIGHT, OddStructureError, orientation_exif

_RIFF_BYTES = 12
_HEADER_BYTES = 8
_KEPT = frozenset({b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
_EXIF_FLAG = 0x08
_XMP_FLAG = 0x04


def strip(data: bytes, orientation: int) -> bytes:
    """Keep the pictures, their alpha, the frames and the ICC profile; the flags and the size follow.

    A file that ends early keeps its announced size, so that a reader still sees that it is cut.

    Raises:
        OddStructureError: Not a WebP file, or a turned one without the extended header.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise OddStructureError
    end = min(len(data), _HEADER_BYTES + int.from_bytes(data[4:8], "little"))
    kept: list[bytes] = []
    at, announced, extended = _RIFF_BYTES, 4, False
    while at + _HEADER_BYTES <= end:
        name = data[at : at + 4]
        stop = _stop(data, at)
        if name == b"VP8X":
            kept.append(_with_flags(data[at:stop], orientation))
            extended = True
        elif name in _KEPT:
            kept.append(data[at : min(stop, len(data))])
        if name == b"VP8X" or name in _KEPT:
            announced += stop - at
        at = stop
    if orientation != UPRIGHT:
        if not extended:
            raise OddStructureError
        kept.append(_chunk(b"EXIF", orientation_exif(orientation)))
        announced += len(kept[-1])
    return b"RIFF" + announced.to_bytes(4, "little") + b"WEBP" + b"".join(kept)


def _stop(data: bytes, at: int) -> int:
    """The offset behind the chunk at `at`; chunks are padded to an even length."""
    size = int.from_bytes(data[at + 4 : at + 8], "little")
    return at + _HEADER_BYTES + size + size % 2


def _with_flags(chunk: bytes, orientation: int) -> bytes:
    if len(chunk) <= _HEADER_BYTES:
        raise OddStructureError
    flags = chunk[_HEADER_BYTES] & ~(_EXIF_FLAG | _XMP_FLAG)
    if orientation != UPRIGHT:
        flags |= _EXIF_FLAG
    return chunk[:_HEADER_BYTES] + bytes((flags,)) + chunk[_HEADER_BYTES + 1 :]


def _chunk(name: bytes, payload: bytes) -> bytes:
    return name + len(payload).to_bytes(4, "little") + payload + b"\x00" * (len(payload) % 2)
