"""Which frames of a row are kept, and that one can go on behind any of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from services.common.errors import InvalidRequestError
from workers.opening.recordings.clock import clock_time
from workers.opening.recordings.look import LOOK_PX, Look, look_at
from workers.opening.recordings.scenes import Sight
from workers.opening.recordings.selection import Chosen, Selection
from workers.opening.recordings.state import State

STEP = 500
STILL_S = 20.0
BLACK = -1
BEGINNING = State()


@cache
def look_of(seed: int, share: float = 0.0) -> Look:
    """A scene, or its dissolve into the next."""
    mixed = (1 - share) * _pixels(seed) + share * _pixels(seed + 1)
    return look_at(np.rint(mixed).astype(np.uint8))


def _pixels(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    if seed == BLACK:
        return np.zeros((LOOK_PX, LOOK_PX, 3), np.float32)
    cells = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(cells).resize((LOOK_PX, LOOK_PX)), np.float32)


def row(*looks: Look) -> list[Sight[int]]:
    return [Sight(number, look, number * STEP, number * STEP / 1000) for number, look in enumerate(looks)]


def chosen(sights: Sequence[Sight[int]], state: State = BEGINNING) -> tuple[list[Chosen[int]], State]:
    selection: Selection[int] = Selection(state, STILL_S, STEP)
    due = state.due or 0
    found = [selection.see(sight) for sight in sights if sight.pts >= due]
    found.append(selection.end())
    return [each for each in found if each], selection.state


def places(found: Sequence[Chosen[int]]) -> list[tuple[float, float]]:
    return [(each.scene_begin_s, each.scene_end_s) for each in found]


def test_each_scene_gives_one_picture() -> None:
    found, state = chosen(row(*[look_of(1)] * 6, *[look_of(2)] * 4, *[look_of(3)] * 2))
    assert places(found) == [(0, 2.5), (3, 4.5), (5, 5.5)]
    assert (state.counts.looks, state.counts.kept) == (12, 3)


def test_a_slow_dissolve_is_one_change() -> None:
    dissolve = [look_of(1, number / 10) for number in range(1, 10)]
    found, _state = chosen(row(*[look_of(1)] * 6, *dissolve, *[look_of(2)] * 6))
    assert len(found) == 2
    assert 3 <= found[1].scene_begin_s <= 7.5
    assert found[0].sight.at_s < 4
    assert found[1].sight.at_s >= 7


def test_a_quick_dissolve_is_no_scene() -> None:
    found, state = chosen(row(*[look_of(1)] * 6, look_of(1, 0.5), *[look_of(2)] * 6))
    assert places(found) == [(0, 2.5), (3.5, 6)]
    assert (state.counts.blends, state.counts.looks) == (1, 13)


def test_a_still_scene_gives_a_picture_every_so_often() -> None:
    found, state = chosen(row(*[look_of(1)] * 121))
    assert [each.scene_begin_s for each in found] == [0, 20, 40, 60]
    assert state.counts.similar == 0


def test_what_comes_back_soon_is_not_kept_again_and_what_comes_back_late_is() -> None:
    back_and_forth = [*[look_of(1)] * 4, *[look_of(2)] * 4] * 3
    found, state = chosen(row(*back_and_forth))
    assert len(found) == 2
    assert state.counts.similar == 4
    late, _state = chosen(row(*[look_of(1)] * 4, *[look_of(2)] * 39, *[look_of(1)] * 4))
    assert len(late) == 3


def test_black_is_counted_and_ends_a_scene() -> None:
    found, state = chosen(row(*[look_of(BLACK)] * 4, *[look_of(1)] * 4, *[look_of(BLACK)] * 2, *[look_of(2)] * 4))
    assert places(found) == [(2, 3.5), (5, 6.5)]
    assert (state.counts.black, state.counts.uniform, state.counts.looks) == (6, 0, 14)


def test_a_blurred_first_frame_does_not_stand_for_its_scene() -> None:
    blurred = replace(look_of(1), sharpness=look_of(1).sharpness / 100)
    found, _state = chosen(row(blurred, blurred, look_of(1), blurred))
    assert [each.sight.at_s for each in found] == [1.0]


def test_much_motion_raises_the_threshold() -> None:
    restless = [look_of(1, 0.18 * (number % 2)) for number in range(40)]
    found, _state = chosen(row(*restless))
    assert len(found) == 1


_SCRIPTS = st.lists(
    st.tuples(st.integers(BLACK, 5), st.sampled_from([0.0, 0.3, 0.5]), st.integers(1, 50)), min_size=1, max_size=8
)


@settings(max_examples=60, deadline=None)
@given(_SCRIPTS)
def test_going_on_behind_any_picture_gives_the_same_pictures(script: list[tuple[int, float, int]]) -> None:
    looks = [look_of(seed, 0.0 if seed == BLACK else share) for seed, share, count in script for _ in range(count)]
    sights = row(*looks)
    whole, end = chosen(sights)
    assert sum((end.counts.kept, end.counts.similar, end.counts.blends)) >= len(whole) == end.counts.kept
    assert end.counts.looks == len(sights)
    for number, each in enumerate(whole):
        state = State.from_json(json.loads(json.dumps(each.state.to_json())))
        rest, rest_end = chosen(sights, state)
        assert rest == whole[number + 1 :]
        assert rest_end.counts == end.counts


@settings(max_examples=60, deadline=None)
@given(_SCRIPTS)
def test_a_visible_scene_is_never_without_a_picture_for_long(script: list[tuple[int, float, int]]) -> None:
    sights = row(*[look_of(seed) for seed, _share, count in script for _ in range(count)])
    found, _state = chosen(sights)
    times = [each.sight.at_s for each in found]
    for sight in sights:
        if not sight.look.blank:
            assert any(abs(sight.at_s - at_s) <= 2 * STILL_S for at_s in times)


@pytest.mark.parametrize(
    "given", [{}, {"kept": 3}, {"kept": [], "counts": {"odd": 1}}, {"kept": [], "counts": {}, "x": 1}]
)
def test_a_state_that_was_not_written_here_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError):
        State.from_json(given)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "00:00:00.0"), (83.4, "00:01:23.4"), (3599.99, "00:59:59.9"), (360_000, "100:00:00.0")],
)
def test_a_place_is_written_as_people_do(seconds: float, text: str) -> None:
    assert clock_time(seconds) == text
