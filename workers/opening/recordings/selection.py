"""From frames in a row to the pictures that are kept, with the state to go on behind each. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic

from workers.opening.recordings.look import Look, is_blend
from workers.opening.recordings.scenes import Boundaries, F, Scene, Sight
from workers.opening.recordings.state import Kept, State, pack_grid, unpack_grid

REMEMBERED = 16
"""Pictures that a new one is compared with."""
_NEAR_BITS = 6
_NEAR_COLOUR = 16


@dataclass(frozen=True)
class Chosen(Generic[F]):
    """A picture that is kept.

    Attributes:
        sight: The frame.
        scene_begin_s: First frame of its scene.
        scene_end_s: Last frame of its scene that was looked at.
        state: To go on behind the scene.
    """

    sight: Sight[F]
    scene_begin_s: float
    scene_end_s: float
    state: State


class Selection(Generic[F]):
    """Chooses pictures. Of all frames it holds a few of the scene it is in.

    Args:
        state: From the beginning, or where an earlier selection stood.
        still_s: An unchanging scene gives one picture in so many seconds.
        step: Distance of two looks, in the stream's unit.
    """

    def __init__(self, state: State, still_s: float, step: int) -> None:
        self.state = state
        self._still_s, self._step = still_s, step
        self._boundaries = Boundaries(still_s, state.motion)
        self._scene: Scene[F] | None = None

    def see(self, sight: Sight[F]) -> Chosen[F] | None:
        """Take the next frame; if a scene ends before it, the scene's picture."""
        scene = self._scene
        if sight.look.blank:
            chosen = self._end(None, sight.pts)
            self._skip(sight)
        elif scene is None:
            chosen, self._scene = None, Scene(sight, self.state.continues)
        elif self._boundaries.lies_between(scene, sight):
            chosen = self._end(sight.look, sight.pts)
            self._scene = Scene(sight, False)
        elif self._boundaries.lasts_too_long(scene, sight):
            chosen = self._end(sight.look, sight.pts, continues=True)
            self._scene = Scene(sight, True)
        else:
            chosen = None
            scene.add(sight)
        return chosen

    def end(self) -> Chosen[F] | None:
        """The picture of the last scene."""
        return self._end(None, self._scene.last.pts + self._step) if self._scene else None

    def _skip(self, sight: Sight[F]) -> None:
        """A frame with nothing on it belongs to no scene."""
        counts = self.state.counts
        black = sight.look.blank == "black"
        counts = replace(
            counts, looks=counts.looks + 1, black=counts.black + black, uniform=counts.uniform + (not black)
        )
        self.state = replace(self.state, due=sight.pts + self._step, continues=False, before="", counts=counts)

    def _end(self, after: Look | None, due: int, continues: bool = False) -> Chosen[F] | None:
        """Choose the scene's picture, or count why it has none."""
        scene, self._scene = self._scene, None
        if scene is None:
            return None
        picture, counts, kept = scene.picture(), self.state.counts, self.state.kept
        reason = self._reason_against(scene, picture, after)
        if reason:
            counts = replace(counts, **{reason: getattr(counts, reason) + 1})
        else:
            counts = replace(counts, kept=counts.kept + 1)
            kept = (*kept, Kept(picture.look.perceptual_hash, picture.look.colour, picture.at_s))[-REMEMBERED:]
        counts = replace(counts, looks=counts.looks + scene.length)
        before = pack_grid(scene.last.look.grid)
        self.state = State(due, continues, self._boundaries.motion, before, kept, counts)
        return None if reason else Chosen(picture, scene.first.at_s, scene.last.at_s, self.state)

    def _reason_against(self, scene: Scene[F], picture: Sight[F], after: Look | None) -> str:
        """The name of the count that a scene without a picture goes to; empty: its picture is kept."""
        if self._is_dissolve(scene, after):
            return "blends"
        return "similar" if not scene.continues and self._is_known(picture) else ""

    def _is_dissolve(self, scene: Scene[F], after: Look | None) -> bool:
        before = unpack_grid(self.state.before)
        if scene.length > 1 or before is None or after is None:
            return False
        return is_blend(scene.first.look.grid, before, after.grid)

    def _is_known(self, picture: Sight[F]) -> bool:
        return any(
            picture.at_s - kept.at_s < self._still_s and _is_near(picture.look, kept) for kept in self.state.kept
        )


def _is_near(look: Look, kept: Kept) -> bool:
    bits = (look.perceptual_hash ^ kept.perceptual_hash).bit_count()
    shift = max(abs(mine - its) for mine, its in zip(look.colour, kept.colour, strict=True))
    return bits <= _NEAR_BITS and shift <= _NEAR_COLOUR
