"""Rounds, ratios and what they are measured with."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from benchmarks.measuring import Ratio, interleave, order
from benchmarks.pictures import encoded, many
from benchmarks.report import render, write
from benchmarks.words import LIMIT, WORDS, phrase

WAYS = st.lists(st.text("abcdefg", min_size=1, max_size=2), min_size=1, max_size=5, unique=True)


@given(WAYS, st.integers(0, 20))
def test_every_way_has_its_turn_in_every_round(ways: list[str], number: int) -> None:
    assert sorted(order(ways, number)) == sorted(ways)


def test_no_way_is_always_first() -> None:
    for ways in (["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d", "e"]):
        first = Counter(order(ways, number)[0] for number in range(5))
        assert max(first.values()) < 5


async def test_interleaving_keeps_rounds_together() -> None:
    log: list[tuple[str, int]] = []

    def way(name: str, base: float) -> object:
        async def measure(number: int) -> float:
            log.append((name, number))
            return base + number

        return measure

    series = await interleave({"a": way("a", 0), "b": way("b", 100)}, rounds=3)  # type: ignore[dict-item]
    assert series == {"a": (0, 1, 2), "b": (100, 101, 102)}
    assert [number for _, number in log] == [0, 0, 1, 1, 2, 2]


def test_a_ratio_is_taken_round_by_round() -> None:
    # The machine is half as fast in the last round: the medians of the sides would give 10 / 20.
    ratio = Ratio("x", "y", "img/s", "higher", ours=(10.0, 10.0, 30.0), yardstick=(10.0, 20.0, 30.0))
    assert ratio.rounds == (1.0, 0.5, 1.0)
    assert ratio.median == 1.0
    document = ratio.document()
    assert document["ratio"] == {"median": 1.0, "min": 0.5, "max": 1.0}
    assert document["yardstick"]["median"] == 20.0


def test_the_report_says_what_each_ratio_means(tmp_path: Path) -> None:
    ratio = Ratio("ours / theirs", "Read it so.", "ms", "lower", (2.0,), (1.0,))
    machine = {"cpu": "C", "cores": 2, "precision": "float32", "model": "m"}
    console = Console(width=120)
    with console.capture() as captured:
        console.print(render([ratio], machine, 12.0))
    for part in ("ours / theirs", "2.00", "Read it so.", "lower", "2 cores"):
        assert part in captured.get()
    write(tmp_path / "new" / "out.json", [ratio], machine, 12.0)
    read = json.loads((tmp_path / "new" / "out.json").read_text())
    assert read["ratios"][0]["ratio"]["median"] == 2.0


def test_phrases_never_repeat() -> None:
    phrases = [phrase(number) for number in range(LIMIT)]
    assert len(set(phrases)) == LIMIT
    assert {word for words in phrases[:2000] for word in words.split()} == set(WORDS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_pictures_are_reproducible_and_have_structure(kind: str) -> None:
    first = encoded(1, 120, 90, kind)  # type: ignore[arg-type]
    assert first == encoded(1, 120, 90, kind)  # type: ignore[arg-type]
    assert len(set(many(10, 60, 40, kind, first_seed=5))) == 10  # type: ignore[arg-type]
    with Image.open(io.BytesIO(first)) as image:
        assert (image.size, image.format, image.mode) == ((120, 90), kind, "RGB")
        assert len(image.getcolors(120 * 90) or []) > 1000
