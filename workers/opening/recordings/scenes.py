"""Where one scene ends and the next begins, and which of a scene's frames stands for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from workers.opening.recordings.look import Floats, Look, distance, distance_between

F = TypeVar("F")

CUT = 0.25
"""Least distance of two frames in a row that is a cut."""
DRIFT = 0.4
"""Least distance from a scene's first frame at which it has become another, however slowly."""
_MOTION_WEIGHT = 2.5
_MOST = 0.85
_MOTION_SHARE = 0.15
_SHORTLIST = 4


@dataclass(frozen=True)
class Sight(Generic[F]):
    """A frame that was looked at.

    Attributes:
        frame: The frame itself; only a few of a scene are held.
        look: What was noted of it.
        pts: Time stamp, in the stream's unit.
        at_s: Seconds from the beginning of the video.
    """

    frame: F
    look: Look
    pts: int
    at_s: float


class Scene(Generic[F]):
    """Frames that belong together.

    Args:
        first: Its first frame.
        continues: It is the scene before it, going on.
    """

    def __init__(self, first: Sight[F], continues: bool) -> None:
        self.first, self.last, self.length = first, first, 1
        self.continues = continues
        self._sharpest = [first]
        self._grid, self._levels = first.look.grid, first.look.levels

    def add(self, sight: Sight[F]) -> None:
        """Take one more frame in."""
        self.last, self.length = sight, self.length + 1
        self._grid = _mean(self._grid, sight.look.grid, self.length)
        self._levels = _mean(self._levels, sight.look.levels, self.length)
        ranked = sorted((*self._sharpest, sight), key=lambda found: -found.look.sharpness)
        self._sharpest = ranked[:_SHORTLIST]

    def picture(self) -> Sight[F]:
        """The frame that stands for it: of its sharpest ones, the one that is most like all of them together."""
        return max(self._sharpest, key=self._worth)

    def _worth(self, sight: Sight[F]) -> float:
        likeness = 1.0 - distance_between(sight.look.grid, sight.look.levels, self._grid, self._levels)
        return float(np.sqrt(sight.look.sharpness)) * likeness**2


class Boundaries:
    """Finds the ends of scenes; what moves much must change more to be another scene.

    Args:
        still_s: Longest scene; one that lasts is cut into several.
        motion: How much frames within scenes differed so far.
    """

    def __init__(self, still_s: float, motion: float) -> None:
        self._still_s, self.motion = still_s, motion

    def lies_between(self, scene: Scene[F], sight: Sight[F]) -> bool:
        """Whether a new scene begins with `sight`; call it for every frame in turn."""
        step = distance(scene.last.look, sight.look)
        drift = distance(scene.first.look, sight.look)
        slack = _MOTION_WEIGHT * self.motion
        if step > min(CUT + slack, _MOST) or drift > min(DRIFT + slack, _MOST):
            return True
        self.motion += _MOTION_SHARE * (step - self.motion)
        return False

    def lasts_too_long(self, scene: Scene[F], sight: Sight[F]) -> bool:
        """Whether the scene has gone on for so long that it gets another picture."""
        return sight.at_s - scene.first.at_s >= self._still_s


def _mean(mean: Floats, added: Floats, count: int) -> Floats:
    return mean + (added - mean) / np.float32(count)
