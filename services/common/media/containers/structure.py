"""What the containers share: the error for a file that is built oddly, and the one EXIF block that is written."""

from __future__ import annotations

import struct

UPRIGHT = 1
"""The EXIF orientation of a picture that is shown as it is stored."""

_ORIENTATION_TAG = 0x0112
_SHORT = 3


class OddStructureError(Exception):
    """The file is not built as its format says; it cannot be edited without decoding it."""


def orientation_exif(orientation: int) -> bytes:
    """A TIFF block (EXIF 2.32, section 4.6) with the orientation tag and nothing else.

    Args:
        orientation: 1 to 8.
    """
    header = struct.pack("<2sHL", b"II", 42, 8)
    entry = struct.pack("<HHLHH", _ORIENTATION_TAG, _SHORT, 1, orientation, 0)
    return header + struct.pack("<H", 1) + entry + struct.pack("<L", 0)
