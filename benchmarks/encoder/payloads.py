"""What is sent: pictures and texts, written to a file that the load generators read."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import pictures
from benchmarks.words import phrase
from services.common.media.preprocessing import Pixels, Preprocessing

DIFFERENT = 64
"""Inputs that are sent in turn: the encoder itself keeps no vector."""
WIDTH_PX, HEIGHT_PX = 500, 375
"""What a photo on the web has."""
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class Payloads:
    """Inputs of each kind.

    Attributes:
        jpegs: Pictures of 500 x 375.
        pixels: The same, decoded and scaled: uint8, shape [3, side, side] each.
        texts: Four words each.
        folder: Holds a file for each kind.
    """

    jpegs: Sequence[bytes]
    pixels: Sequence[Pixels]
    texts: Sequence[str]
    folder: Path

    def file(self, kind: str) -> Path:
        """The file of a kind: "jpeg", "pixels" or "text"."""
        return self.folder / f"{kind}.payloads"


def make(folder: Path, preprocessing: Preprocessing) -> Payloads:
    """Draw the pictures and write every kind into `folder`."""
    jpegs = list(pictures.many(DIFFERENT, WIDTH_PX, HEIGHT_PX, "JPEG", first_seed=0))
    scaled = [preprocessing(Image.open(BytesIO(data)).convert("RGB")) for data in jpegs]
    made = Payloads(jpegs, scaled, [phrase(number) for number in range(DIFFERENT)], folder)
    write(made.file("jpeg"), jpegs)
    write(made.file("pixels"), [np.ascontiguousarray(pixels).tobytes() for pixels in scaled])
    write(made.file("text"), [text.encode() for text in made.texts])
    return made


def write(path: Path, payloads: Sequence[bytes]) -> None:
    """Each with its length before it."""
    path.write_bytes(b"".join(_LENGTH.pack(len(payload)) + payload for payload in payloads))


def read(path: Path) -> list[bytes]:
    """What `write` wrote."""
    data, payloads, at = path.read_bytes(), [], 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        payloads.append(data[at : at + length])
        at += length
    return payloads
