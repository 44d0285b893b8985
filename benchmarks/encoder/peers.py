"""Ours beside another server and beside a loop: the same weights, the same JPEGs, 32 callers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.encoder.bench import CALLERS, Bench, throughput
from benchmarks.encoder.load import Load
from benchmarks.encoder.naive import NaiveLoop
from benchmarks.encoder.servers import InfinityOptions, InfinityServer
from benchmarks.measuring import Goal, NotRun, Ratio, Series
from benchmarks.report import Row

NAME = "infinity-emb 0.0.78"
_BATCH_ITEMS = 32
"""The quickest, and its default."""
_INT8, _FLOAT = "int8", "float32"
_TRIAL_LOOP = 16


def ways_in(bench: Bench) -> int:
    """Measurements in a round."""
    others = 3 if bench.infinity else 0
    return 2 * len(bench.machine.precisions) + 1 + others


async def run(bench: Bench) -> list[Row]:
    """Measure on the CPU; every server has all cores."""
    precisions, cpus = bench.machine.precisions, bench.machine.cpus
    with ExitStack() as stack:
        ways: dict[str, Callable[[], float]] = {}
        for precision in precisions:
            server = stack.enter_context(bench.encoder(f"peers-{precision}", precision=precision))
            ways[f"ours {precision}"] = throughput(
                bench.sized(bench.load(server, "jpeg", callers=CALLERS, interactive=True))
            )
            if precision == precisions[0]:
                text = bench.load(server, "text", callers=CALLERS, interactive=True)
                ways["ours text"] = throughput(bench.sized(text))
            ways[f"loop {precision}"] = _loop(bench, precision, cpus)
        if bench.infinity is not None:
            for dtype in (_FLOAT, _INT8):
                other = stack.enter_context(_infinity(bench, bench.infinity, dtype))
                load = Load("infinity", other.address, str(bench.payloads.file("jpeg")), "jpeg", callers=CALLERS)
                ways[f"infinity {dtype}"] = throughput(bench.sized(load))
                if dtype == _FLOAT:
                    texts = replace(load, payloads=str(bench.payloads.file("text")), kind="text")
                    ways["infinity text"] = throughput(bench.sized(texts))
        series = await bench.measure(ways)
    return _rows(bench, series)


def _infinity(bench: Bench, program: Path, dtype: str) -> InfinityServer:
    options = InfinityOptions(program, "cpu", dtype, _BATCH_ITEMS)
    return InfinityServer(bench.model, options, bench.work / f"infinity-{dtype}")


def _loop(bench: Bench, precision: str, cpus: int) -> Callable[[], float]:
    loop = NaiveLoop(bench.model, precision)
    jpegs = bench.payloads.jpegs
    loop.rate(jpegs, _TRIAL_LOOP, cpus)
    images = max(_TRIAL_LOOP, round(loop.rate(jpegs, _TRIAL_LOOP, cpus) * bench.round_s))
    return lambda: loop.rate(jpegs, images, cpus)


def _rows(bench: Bench, series: Series) -> list[Row]:
    if bench.infinity is None:
        reason = "It is not installed: `make bench-encoder` installs it, or name its command with --infinity."
        return [NotRun(f"ours / {NAME}", reason), *_loop_rows(bench, series)]
    return [*_infinity_rows(bench, series), *_loop_rows(bench, series)]


def _infinity_rows(bench: Bench, series: Series) -> list[Ratio]:
    served = (
        f"{CALLERS} callers with one JPEG of 500 x 375 each. {NAME}: engine torch, batches of {_BATCH_ITEMS} at "
        "most, all cores, data URIs in, base64 out, kept connections. On a CPU it runs CLIP in float32 whatever "
        "--dtype says (bfloat16 is for CUDA alone), or with int8 weights: another class of precision, no goal."
    )
    texts = f"{CALLERS} callers with four words each; no goal."
    quick = bench.machine.precisions[0]
    goals = {"bfloat16": Goal(3.5, bench.machine.without_amx), _FLOAT: Goal(1.1)}
    return [
        *(
            _ratio(
                f"ours in {ours} / {NAME} in float32",
                served,
                series,
                f"ours {ours}",
                "infinity float32",
                goals[ours],
            )
            for ours in bench.machine.precisions
        ),
        _ratio(f"ours in {quick} / {NAME} in int8", served, series, f"ours {quick}", "infinity int8"),
        _ratio(f"short queries, ours in {quick} / {NAME} in float32", texts, series, "ours text", "infinity text"),
    ]


def _loop_rows(bench: Bench, series: Series) -> list[Ratio]:
    meaning = (
        f"{CALLERS} callers of the service against transformers' processor and model, one picture at a time on "
        "all cores, in this process without transport. The goal is for bfloat16 against the loop as it is usually "
        "written, in float32."
    )
    goal = Goal(5.0, bench.machine.without_amx)
    return [
        _ratio(
            f"ours in {ours} / loop in {theirs}",
            meaning,
            series,
            f"ours {ours}",
            f"loop {theirs}",
            goal if (ours, theirs) == ("bfloat16", _FLOAT) else None,
        )
        for ours in bench.machine.precisions
        for theirs in bench.machine.precisions
    ]


def _ratio(name: str, meaning: str, series: Series, ours: str, theirs: str, goal: Goal | None = None) -> Ratio:
    unit = "texts/s" if ours.endswith("text") else "img/s"
    return Ratio(name, meaning, unit, "higher", series[ours], series[theirs], goal)
