"""GIF: a colour table, then blocks of sub-blocks (GIF89a specification)."""

from __future__ import annotations

from services.common.media.containers.structure import UPRIGHT, OddStructureError

_SCREEN_BYTES = 13
_IMAGE_BYTES = 10
_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_GRAPHIC_CONTROL, _APPLICATION = 0xF9, 0xFF
# How often an animation repeats.
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


def strip(data: bytes, orientation: int) -> bytes:
    """Keep frames, their timing and the loop count; comments, texts and other applications' blocks go.

    Raises:
        OddStructureError: A block of an unknown kind, or a turned picture: GIF has no place to say so.
    """
    if data[:3] != b"GIF" or len(data) < _SCREEN_BYTES or orientation != UPRIGHT:
        raise OddStructureError
    at = _SCREEN_BYTES + _table_bytes(data[10])
    kept = [data[:at]]
    while at < len(data):
        if data[at] == _TRAILER:
            kept.append(data[at : at + 1])
            break
        stop = _block_stop(data, at)
        if _is_kept(data, at):
            kept.append(data[at:stop])
        at = stop
    return b"".join(kept)


def _block_stop(data: bytes, at: int) -> int:
    if data[at] == _EXTENSION:
        return _sub_blocks_stop(data, at + 2)
    if data[at] != _IMAGE:
        raise OddStructureError
    if at + _IMAGE_BYTES > len(data):
        return len(data)
    return _sub_blocks_stop(data, at + _IMAGE_BYTES + _table_bytes(data[at + 9]) + 1)


def _sub_blocks_stop(data: bytes, at: int) -> int:
    """The offset behind the empty sub-block that ends a block; the end of the data if there is none."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return min(at + 1, len(data))


def _is_kept(data: bytes, at: int) -> bool:
    if data[at] == _IMAGE:
        return True
    label = data[at + 1 : at + 2]
    if label == bytes((_APPLICATION,)):
        return data[at + 3 : at + 14] in _LOOPS
    return label == bytes((_GRAPHIC_CONTROL,))


def _table_bytes(packed: int) -> int:
    """Bytes of the colour table that a packed field announces."""
    return 3 * 2 ** ((packed & 0x07) + 1) if packed & 0x80 else 0
