"""The encoder's benchmark: what is sent, what is counted, and what a goal says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from benchmarks.encoder import empty_server, payloads
from benchmarks.encoder.load import Load, Outcome, percentile, send
from benchmarks.encoder.servers import OwnServer
from benchmarks.measuring import Better, Goal, NotRun, Ratio
from benchmarks.report import render
from services.common.media.preprocessing import CLIP


def ratio(value: float, better: Better, goal: Goal | None) -> Ratio:
    return Ratio("x", "y", "img/s", better, ours=(value,), yardstick=(1.0,), goal=goal)


@pytest.mark.parametrize(
    ("value", "better", "verdict"),
    [(0.9, "higher", "met"), (0.89, "higher", "missed"), (0.9, "lower", "met"), (0.91, "lower", "missed")],
)
def test_a_goal_is_met_or_missed(value: float, better: Better, verdict: str) -> None:
    assert ratio(value, better, Goal(0.9)).verdict == verdict


def test_a_goal_may_not_apply_but_the_figure_stays() -> None:
    row = ratio(0.1, "higher", Goal(2.5, "no AMX here"))
    assert row.verdict == "not applicable: no AMX here"
    assert row.document()["ratio"]["median"] == 0.1
    console = Console(width=200)
    with console.capture() as captured:
        machine = {"cpu": "C", "cores": 1, "precision": "float32", "model": "m"}
        console.print(render([row, NotRun("on a GPU", "There is none.")], machine, 1.0))
    assert "not applicable: no AMX here" in captured.get()
    assert "on a GPU: not run. There is none." in captured.get()


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_payloads_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, data: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("payloads") / "file"
    payloads.write(path, data)
    assert payloads.read(path) == data


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 1))
def test_a_percentile_is_a_value(values: list[float], share: float) -> None:
    assert percentile(values, share) in values
    assert percentile(values, 1.0) == max(values)


def test_a_rate_with_failures_is_none() -> None:
    with pytest.raises(RuntimeError, match="1 of 3 inputs"):
        _ = Outcome(took_s=1.0, items=2, failed=1, latencies_s=[], cpu_s=0.0).per_s


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> payloads.Payloads:
    return payloads.make(tmp_path_factory.mktemp("made"), CLIP)


def test_a_load_counts_what_was_answered(tmp_path: Path, made: payloads.Payloads) -> None:
    with OwnServer("benchmarks.encoder.empty_server", {}, tmp_path / "server", empty_server.PREFIX) as server:
        load = Load("unary", server.address, str(made.file("pixels")), "pixels", callers=3, items=4, requests=7)
        (outcome,) = send(load)
        (lasting,) = send(Load("unary", server.address, str(made.file("jpeg")), "jpeg", duration_s=0.5))
    assert (outcome.items, outcome.failed, len(outcome.latencies_s)) == (28, 0, 7)
    assert outcome.per_s > 0
    assert lasting.items > 1
    assert 0.5 <= lasting.took_s < 5


def test_a_load_counts_what_was_refused(tmp_path: Path, made: payloads.Payloads) -> None:
    with OwnServer("benchmarks.encoder.empty_server", {}, tmp_path / "server", empty_server.PREFIX) as server:
        # That server knows no texts.
        (outcome,) = send(Load("unary", server.address, str(made.file("text")), "text", requests=5))
    assert (outcome.items, outcome.failed) == (0, 5)


def test_the_pictures_are_those_of_the_service(made: payloads.Payloads) -> None:
    assert len(set(made.jpegs)) == payloads.DIFFERENT
    assert made.pixels[0].shape == (3, CLIP.side_px, CLIP.side_px)
    assert payloads.read(made.file("pixels"))[0] == made.pixels[0].tobytes()
    assert payloads.read(made.file("text"))[0].decode() == made.texts[0]
