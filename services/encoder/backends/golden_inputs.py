"""The golden set: odd pictures and texts, the same on every machine and with every version of any library.

They are where encoders go wrong: resizing without anti-aliasing, channels in the wrong order, padding that is
attended to, inputs that are cut, pictures one pixel wide.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

SET_VERSION = 1
"""Counts up when an input changes; kept reference vectors are then made anew."""
PROBES = 40
_PROBE_PX = 160
_Plane = npt.NDArray[np.int64]


def _words(length: int) -> str:
    vocabulary = ("harbour", "violet", "engine", "seven", "grain", "mirror", "northern", "a", "of", "quiet")
    return " ".join(vocabulary[(index * index // 3 + index) % len(vocabulary)] for index in range(length))


TEXTS: dict[str, str] = {
    "one letter": "a",
    "a full stop": ".",
    "a caption": "A photo of a cat that sleeps on a red chair.",
    "capitals": "A PHOTO OF A CAT",
    "digits and units": "USB-C 3.2, 300 W, 12-34 x 0.5 mm (2nd)",
    "emoji": "🐈‍⬛🚀 ❤️",
    "Chinese": "一只黑色的猫睡在红色的椅子上",
    "mixed scripts": "Кошка und 猫 meet the ネコ في café Ångström",
    "lines and tabs": "first line\nsecond\tline\r\n\n  indented   end ",
    "a very long text": _words(400),
    "a very long Chinese text": "海边的灯塔照亮夜里的船" * 60,
    "one endless word": "abcdefghij" * 40,
}
"""Texts by name."""


def pictures() -> dict[str, Image.Image]:
    """RGB pictures of many shapes, by name."""
    return {
        "black": _flat(224, 224, (0, 0, 0)),
        "pure red, wide": _flat(300, 100, (255, 0, 0)),
        "pure green, tall": _flat(90, 400, (0, 255, 0)),
        "one pixel": _flat(1, 1, (0, 0, 255)),
        "one pixel wide": _grey(_noise(1, 40, seed=1)),
        "one pixel high": _coloured(_noise(40, 1, seed=2), _noise(40, 1, seed=3), _noise(40, 1, seed=4)),
        "noise": _coloured(_noise(224, 224, seed=5), _noise(224, 224, seed=6), _noise(224, 224, seed=7)),
        "tiny noise": _coloured(_noise(5, 4, seed=8), _noise(5, 4, seed=9), _noise(5, 4, seed=10)),
        "stripes, one pixel": _stripes(),
        "rings": _rings(),
        "gradient": _gradient(),
        "rows of glyphs": _glyphs(),
    }


def probes() -> list[Image.Image]:
    """`PROBES` pictures to be ranked: coloured shapes on coloured grounds, no two alike."""
    return [_probe(number) for number in range(PROBES)]


def _flat(width: int, height: int, colour: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def _coloured(red: _Plane, green: _Plane, blue: _Plane) -> Image.Image:
    return Image.fromarray(np.stack([red, green, blue], axis=-1).astype(np.uint8))


def _grey(plane: _Plane) -> Image.Image:
    return _coloured(plane, plane, plane)


def _grid(width: int, height: int) -> tuple[_Plane, _Plane]:
    rows, columns = np.mgrid[0:height, 0:width]
    return columns.astype(np.int64), rows.astype(np.int64)


def _noise(width: int, height: int, seed: int) -> _Plane:
    """Pseudo-random bytes by integer arithmetic alone (Knuth's multiplicative hash, twice).

    NumPy promises no stream of its generators for ever.
    """
    columns, rows = _grid(width, height)
    mixed = (rows * width + columns + 7919 * seed + 1) * 2654435761 % 2**32
    mixed = (mixed ^ (mixed >> 15)) * 2246822519 % 2**32
    noise: _Plane = (mixed >> 13) & 255
    return noise


def _stripes() -> Image.Image:
    """A pixel on, a pixel off: filtered it is grey, skipped over it is anything."""
    columns, rows = _grid(401, 333)
    return _coloured(255 * (columns % 2), 255 * ((columns + rows) % 2), 255 * (rows % 3 == 0))


def _rings() -> Image.Image:
    """Rings that become finer outwards: every frequency there is."""
    columns, rows = _grid(400, 320)
    squared = (columns - 200) ** 2 + (rows - 160) ** 2
    return _coloured(squared // 40 % 256, squared // 70 % 256, 255 - squared // 100 % 256)


def _gradient() -> Image.Image:
    columns, rows = _grid(512, 256)
    return _coloured(columns // 2, rows, 255 - (columns + 2 * rows) // 4)


def _glyphs() -> Image.Image:
    """Dark marks in lines on white, like print; no font is the same everywhere."""
    columns, rows = _grid(480, 160)
    ink = (_noise(80, 20, seed=11) > 110)[rows // 8, columns // 6]
    between = (rows % 32 >= 24) | (columns % 30 >= 24)
    return _grey(np.where(ink & ~between, 20, 250))


def _probe(number: int) -> Image.Image:
    columns, rows = _grid(_PROBE_PX, _PROBE_PX)
    across, down, size = (int(value) for value in _noise(3, 1, seed=100 + number)[0])
    left, top, half = across % 120 + 20, down % 120 + 20, size % 40 + 12
    distance = (columns - left) ** 2 + (rows - top) ** 2
    disc = distance < half**2
    square = (abs(columns - left) < half) & (abs(rows - top) < half)
    bars = square & ((columns + rows) // 6 % 2 == 0)
    shape = (disc, square, bars, disc & ~(distance < (half // 2) ** 2))[number % 4]
    ground, ink = _noise(3, 1, seed=200 + number)[0], _noise(3, 1, seed=300 + number)[0]
    red, green, blue = (np.where(shape, ink[channel], ground[channel]) for channel in range(3))
    return _coloured(red, green, blue)
