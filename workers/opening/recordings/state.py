"""What must be known to go on in the middle of a video as if it had been read from the beginning. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from services.common.errors import InvalidRequestError
from workers.opening.recordings.look import GRID_PX, Floats


@dataclass(frozen=True)
class Kept:
    """A picture that was kept, as later ones are compared with it.

    Attributes:
        perceptual_hash: See `Look`.
        colour: See `Look`.
        at_s: Its place in the video.
    """

    perceptual_hash: int
    colour: tuple[int, int, int]
    at_s: float


@dataclass(frozen=True)
class Counts:
    """What was seen so far.

    Attributes:
        looks: Frames looked at.
        kept: Pictures given out.
        black: Frames left out, nothing being on them.
        uniform: Frames left out, being of one colour.
        similar: Scenes left out, looking like one just before them.
        blends: Scenes left out, being the dissolve of two others.
    """

    looks: int = 0
    kept: int = 0
    black: int = 0
    uniform: int = 0
    similar: int = 0
    blends: int = 0


@dataclass(frozen=True)
class State:
    """Between two scenes.

    Attributes:
        due: Time stamp from which on the next frame is looked at, in the stream's unit; None: at the beginning.
        continues: The next scene is the last one going on.
        motion: How much one frame differs from the next within scenes, of late.
        before: Grid of the last frame of the scene before, rounded; base64. Empty: there is none.
        kept: The last pictures.
        counts: What was seen so far.
    """

    due: int | None = None
    continues: bool = False
    motion: float = 0.0
    before: str = ""
    kept: tuple[Kept, ...] = ()
    counts: Counts = field(default_factory=Counts)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> State:
        """What `to_json` wrote.

        Raises:
            InvalidRequestError: It was not.
        """
        try:
            kept = tuple(
                Kept(each["perceptual_hash"], _colour(each["colour"]), each["at_s"]) for each in given["kept"]
            )
            return cls(**{**given, "kept": kept, "counts": Counts(**given["counts"])})
        except (KeyError, TypeError, ValueError):
            raise InvalidRequestError("The place in the video is not one that was noted.") from None


def pack_grid(grid: Floats) -> str:
    """A grid as text, rounded to whole levels."""
    return base64.b64encode(np.rint(grid).clip(0, 255).astype(np.uint8).tobytes()).decode("ascii")


def unpack_grid(text: str) -> Floats | None:
    """What `pack_grid` wrote; None of an empty text."""
    if not text:
        return None
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(GRID_PX, GRID_PX).astype(np.float32)


def _colour(given: Any) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in given)
    return red, green, blue
