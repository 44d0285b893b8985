"""The composition root: builds the model, starts a cluster, runs the benchmarks one after the other."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from transformers.utils.logging import disable_progress_bar

from benchmarks import cache, rpc, search
from benchmarks.measuring import ROUNDS, Ratio
from benchmarks.model import FOLDER, build
from benchmarks.report import render, write
from benchmarks.site import Advance, Site, open_site
from services.cli.evaluation.cluster import private_cluster
from services.encoder.backends.devices import Placement, place

RESULTS = Path(__file__).parent / "results"
CACHE = Path("~/.cache/imagerag")
_PARTS: Mapping[str, tuple[Callable[[Site, Advance], Awaitable[list[Ratio]]], int]] = {
    "rpc": (rpc.run, rpc.WAYS),
    "search": (search.run, search.WAYS),
    "cache": (cache.run, cache.WAYS),
}


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"which of {', '.join(_PARTS)}; all of them if none is named")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the model is kept for the next time")
    parser.add_argument(
        "--json", type=Path, default=None, help="file for the figures; default: benchmarks/results/"
    )
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in _PARTS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(_PARTS)}")
    _benchmark(arguments.parts or list(_PARTS), arguments.cache.expanduser(), arguments.json)


def _benchmark(parts: Sequence[str], cache: Path, json_path: Path | None) -> None:
    started, console, notes = time.perf_counter(), Console(highlight=False), Console(stderr=True, highlight=False)
    disable_progress_bar()  # type: ignore[no-untyped-call]
    notes.print("Building the model (random weights, the shape of ViT-B/32) ...")
    model = build(cache)
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    placement = place("auto", "auto", cpus)
    machine = _machine(placement, cpus)
    path = json_path or RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    notes.print("Starting a cluster ...")
    with tempfile.TemporaryDirectory(prefix="imagerag-bench-") as folder:
        work = Path(folder)
        told = {"IMAGERAG_ENCODER_THREADS": str(placement.threads)}
        with private_cluster(work / "data", model=str(model), settings=told) as state:

            def keep(ratios: Sequence[Ratio]) -> None:
                """After each part, so that a run that is cut short is not lost."""
                write(path, ratios, machine, time.perf_counter() - started)

            async def measure() -> list[Ratio]:
                async with open_site(state, model, placement, cpus, work) as site:
                    return await _measure(parts, site, notes, keep)

            ratios = asyncio.run(measure())
    console.print(render(ratios, machine, time.perf_counter() - started))


async def _measure(
    parts: Sequence[str], site: Site, notes: Console, keep: Callable[[Sequence[Ratio]], None]
) -> list[Ratio]:
    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    ratios: list[Ratio] = []
    with Progress(*columns, console=notes) as progress:
        for name in parts:
            run, ways = _PARTS[name]
            task = progress.add_task(name, total=ways * ROUNDS)

            def advance(task: Any = task) -> None:
                progress.advance(task)

            ratios += await run(site, advance)
            keep(ratios)
    return ratios


def _machine(placement: Placement, cpus: int) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_name(),
        "cores": cpus,
        "device": placement.device,
        "precision": placement.precision,
        "model": FOLDER,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
