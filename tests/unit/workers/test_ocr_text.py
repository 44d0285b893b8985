"""Lines to text: order, paragraphs, columns, scripts; and tall pictures in pieces."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.enrich.ocr.lines import TextLine, straightened
from workers.enrich.ocr.text import scripts_of, text_of
from workers.enrich.ocr.tiles import MAX_TILES, OVERLAP_PX, SIDE_PX, Tiling, merged, tiling

HIGH = 20.0


def line(text: str, left: float, top: float, width: float = 300.0, height: float = HIGH) -> TextLine:
    right, bottom = left + width, top + height
    return TextLine(text, 0.9, ((left, top), (right, top), (right, bottom), (left, bottom)))


def column(words: str, left: float, width: float, rows: int = 5, top: float = 0.0) -> list[TextLine]:
    return [line(f"{words} {row}", left, top + row * 24, width) for row in range(rows)]


def test_rows_that_fill_their_block_are_one_paragraph() -> None:
    rows = ["Segmentation of a page is not", "easy: its light comes from one", "side."]
    lines = [line(rows[0], 10, 0, 300), line(rows[1], 10, 24, 290), line(rows[2], 10, 48, 60)]
    assert text_of(lines) == " ".join(rows)


def test_a_word_that_was_broken_is_whole_again() -> None:
    assert text_of([line("a seg-", 0, 0), line("mentation", 0, 24)]) == "a segmentation"
    assert text_of([line("parts 12-", 0, 0), line("34", 0, 24)]) == "parts 12- 34"


def test_chinese_goes_on_without_a_blank() -> None:
    assert text_of([line("小心", 0, 0, 120, 60), line("地滑", 0, 70, 120, 60)]) == "小心地滑"
    assert text_of([line("使用", 0, 0), line("Python", 0, 24)]) == "使用 Python"


def test_rows_of_a_list_have_a_line_each_with_their_prices() -> None:
    lines = [
        line("Tea", 0, 0, 40),
        line("3.50", 400, 1, 50),
        line("Coffee with milk", 0, 24, 160),
        line("4.20", 400, 23, 50),
    ]
    assert text_of(lines) == "Tea 3.50\nCoffee with milk 4.20"
    words = [line("OPEN", 0, 0, 90, 40), line("daily", 0, 60, 50), line("from nine to five", 0, 84, 300)]
    assert text_of(words) == "OPEN\ndaily\nfrom nine to five"


def test_columns_are_read_one_after_the_other_below_their_headline() -> None:
    head = [line("A headline over both of them", 0, -26, 640, 24)]
    text = text_of([*column("right", 340, 300), *head, *column("left", 0, 300)])
    assert text.split("\n") == [
        "A headline over both of them",
        "left 0 left 1 left 2 left 3 left 4",
        "right 0 right 1 right 2 right 3 right 4",
    ]


def test_chinese_that_runs_down_is_read_from_the_right() -> None:
    lines = [line("疑是地上霜", 40, 10, 40, 200), line("床前明月光", 100, 10, 40, 200)]
    assert text_of(lines) == "床前明月光疑是地上霜"


@pytest.mark.parametrize("degrees", [-20, -7, 3, 15])
def test_a_page_that_leans_is_read_as_if_it_did_not(degrees: float) -> None:
    lines = [line(f"row {row} of a page", 0, row * 24) for row in range(12)]
    leaning = [each.turned(math.radians(degrees)) for each in lines]
    assert text_of(leaning) == text_of(lines)
    level = straightened(leaning)
    assert all(abs(each.corners[0][1] - each.corners[1][1]) < 1e-6 for each in level)


_LINES = st.lists(
    st.builds(
        line,
        st.text(st.sampled_from("ab 猫。-") | st.characters(), max_size=12),
        st.integers(-5, 900),
        st.integers(-5, 900),
        st.integers(1, 400),
        st.integers(1, 80),
    ),
    max_size=14,
)


@given(_LINES)
def test_no_character_is_lost_or_said_twice(lines: list[TextLine]) -> None:
    from workers.opening.documents.clean import one_line

    wanted = sorted("".join(one_line(each.text) for each in lines).replace(" ", "").replace("-", ""))
    assert sorted(text_of(lines).replace("\n", "").replace(" ", "").replace("-", "")) == wanted


@given(_LINES, st.randoms(use_true_random=False))
def test_the_order_of_finding_changes_nothing(lines: list[TextLine], order: random.Random) -> None:
    unlike = list({each.corners: each for each in lines}.values())
    shuffled = order.sample(unlike, len(unlike))
    first = [sorted(text_of(some)) for some in (unlike, shuffled)]
    assert first[0] == first[1]


@pytest.mark.parametrize(
    ("text", "scripts"),
    [
        ("Mind the gap 12", ("LATIN",)),
        ("小心地滑", ("CJK",)),
        ("小心地滑 Caution", ("LATIN", "CJK")),
        ("出口は右です", ("CJK", "HIRAGANA")),
        ("一" + "a" * 20, ("LATIN",)),
        ("12 + 3", ()),
    ],
)
def test_scripts(text: str, scripts: tuple[str, ...]) -> None:
    assert set(scripts_of(text)) == set(scripts)


@pytest.mark.parametrize(
    ("size", "scaled", "tiles"),
    [
        ((640, 480), (640, 480), 1),
        ((4000, 3000), (2000, 1500), 1),
        ((2480, 3508), (1414, 2000), 1),
        ((8000, 500), (2000, 125), 1),
        ((1080, 2400), (1080, 2400), 2),
        ((1080, 20_000), (1080, 20_000), 11),
        ((3000, 30_000), (1200, 12_000), 7),
        ((1, 32_768), (1, 32_768), 18),
    ],
)
def test_how_a_picture_is_read(size: tuple[int, int], scaled: tuple[int, int], tiles: int) -> None:
    plan = tiling(*size)
    assert ((plan.width, plan.height), len(plan.tiles)) == (scaled, tiles)


@given(st.integers(1, 40_000), st.integers(1, 40_000))
def test_tiles_cover_the_whole_picture_and_share_enough(width: int, height: int) -> None:
    plan = tiling(width, height)
    assert plan.width <= SIDE_PX
    assert 1 <= len(plan.tiles) <= MAX_TILES
    assert (plan.tiles[0].top, plan.tiles[-1].bottom) == (0, plan.height)
    assert all(0 < tile.bottom - tile.top <= SIDE_PX + 1 for tile in plan.tiles)
    for above, below in zip(plan.tiles, plan.tiles[1:], strict=False):
        assert above.bottom - below.top >= OVERLAP_PX - 1


@given(st.integers(2100, 36_000), st.data())
def test_every_line_of_a_tall_picture_is_there_once(height: int, data: st.DataObject) -> None:
    plan = tiling(1000, height)
    tops = sorted(data.draw(st.sets(st.integers(0, plan.height // 40 - 1), max_size=40)))
    lines = [line(f"line {top}", 10, top * 40, 500, 30) for top in tops]
    found = [list(_seen(plan, number, lines)) for number in range(len(plan.tiles))]
    kept = merged(plan.tiles, found)
    assert [each.text for each in sorted(kept, key=lambda each: each.corners[0][1])] == [e.text for e in lines]


def _seen(plan: Tiling, number: int, lines: list[TextLine]) -> list[TextLine]:
    """What a reader finds in one tile: lines at its edge are cut."""
    tile = plan.tiles[number]
    seen = []
    for each in lines:
        top, bottom = max(each.corners[0][1], tile.top), min(each.corners[2][1], tile.bottom)
        if bottom - top > 8:
            whole = top == each.corners[0][1] and bottom == each.corners[2][1]
            text = each.text if whole else "cut"
            seen.append(line(text, 10, top - tile.top, 500, bottom - top))
    return seen
