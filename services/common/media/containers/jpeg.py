"""JPEG: segments up to the scans, and the scans themselves (ITU-T T.81, annex B)."""

from __future__ import annotations

from services.common.media.containers.structure import UPRIGHT, OddStructureError, orientation_exif

_SOI = b"\xff\xd8"
_EOI = b"\xff\xd9"
_SOS = 0xDA
_COMMENT = 0xFE
_APP_MARKERS = range(0xE0, 0xF0)
_RESTARTS = range(0xD0, 0xD8)
_ICC = b"ICC_PROFILE\x00"
_ADOBE = b"Adobe"
_JFIF = b"JFIF\x00"
_JFIF_BYTES = 14
_JFIF_WITHOUT_THUMBNAIL = b"\x00\x00"


def strip(data: bytes, orientation: int) -> bytes:
    """Keep the tables, the scans, JFIF, the ICC profile and the Adobe colour transform.

    What follows the end marker goes too: phones append videos and second pictures with their own metadata.

    Raises:
        OddStructureError: Bytes between segments, or a segment that runs past the end.
    """
    if not data.startswith(_SOI):
        raise OddStructureError
    kept = [_SOI]
    if orientation != UPRIGHT:
        kept.append(_segment(0xE1, b"Exif\x00\x00" + orientation_exif(orientation)))
    at = len(_SOI)
    while True:
        at, marker = _next_marker(data, at)
        if marker is None or marker == _EOI[1]:
            break
        stop = at + int.from_bytes(data[at : at + 2], "big")
        if stop < at + 2 or stop > len(data):
            raise OddStructureError
        kept.append(_kept(marker, data[at + 2 : stop]))
        at = stop
        if marker == _SOS:
            scan_end = _scan_end(data, at)
            kept.append(data[at:scan_end])
            at = scan_end
    if marker is not None:
        kept.append(_EOI)
    return b"".join(kept)


def _next_marker(data: bytes, at: int) -> tuple[int, int | None]:
    """The marker at `at` and the offset behind it; None at the end of the data."""
    if at >= len(data) - 1:
        return at, None
    if data[at] != 0xFF:
        raise OddStructureError
    while at < len(data) and data[at] == 0xFF:
        at += 1
    if at == len(data):
        return at, None
    marker = data[at]
    if marker < 0xC0 or marker in _RESTARTS or marker == _SOI[1]:
        raise OddStructureError
    return at + 1, marker


def _kept(marker: int, payload: bytes) -> bytes:
    if marker == _COMMENT:
        return b""
    if marker not in _APP_MARKERS:
        return _segment(marker, payload)
    if marker == 0xE0 and payload.startswith(_JFIF) and len(payload) >= _JFIF_BYTES:
        return _segment(marker, payload[: _JFIF_BYTES - 2] + _JFIF_WITHOUT_THUMBNAIL)
    if (marker == 0xE2 and payload.startswith(_ICC)) or (marker == 0xEE and payload.startswith(_ADOBE)):
        return _segment(marker, payload)
    return b""


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload


def _scan_end(data: bytes, at: int) -> int:
    """The offset of the first marker behind entropy-coded data; stuffed bytes and restarts belong to it."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return len(data)
        follower = data[at + 1]
        if follower == 0xFF:
            at += 1
        elif follower == 0 or follower in _RESTARTS:
            at += 2
        else:
            return at
