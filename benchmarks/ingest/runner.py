"""The composition root: starts a cluster for each part, as `imagerag up` does, and prints what was measured."""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from transformers.utils.logging import disable_progress_bar

from benchmarks.encoder.machine import Others, this_machine
from benchmarks.ingest import beside_loop, flood
from benchmarks.ingest.flood import Flood
from benchmarks.ingest.memory import draw
from benchmarks.measuring import Ratio
from benchmarks.model import FOLDER, build
from benchmarks.report import render, write
from benchmarks.runner import CACHE, RESULTS
from services.cli.cluster.state import ClusterState
from services.cli.evaluation.cluster import private_cluster
from services.common.clients.encoder import EncoderClient, EncoderDescription

ITEMS = 20_000
_PARTS = ("flood", "loop")
_COLUMNS = (
    TextColumn("{task.description:<9}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
    TimeRemainingColumn(),
)


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"which of {', '.join(_PARTS)}; both if none is named")
    parser.add_argument("--items", type=int, default=ITEMS, help=f"pictures of the flood; {ITEMS:,} if not given")
    parser.add_argument("--quick", action="store_true", help="fewer rounds of the loop: to see that it runs")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the model is kept for the next time")
    parser.add_argument(
        "--json", type=Path, default=None, help="file for the figures; default: benchmarks/results/"
    )
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in _PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(_PARTS)}")
    _benchmark(arguments)


def _benchmark(arguments: argparse.Namespace) -> None:
    started, console = time.perf_counter(), Console(highlight=False)
    notes = Console(stderr=True, highlight=False)
    disable_progress_bar()  # type: ignore[no-untyped-call]
    others, path = Others(), arguments.json or RESULTS / f"ingest-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    parts, ratios, found = arguments.parts or _PARTS, list[Ratio](), dict[str, Any]()
    if "flood" in parts:
        flooded = _flood(arguments.items, notes)
        ratios += flooded.ratios()
        found["flood"] = flooded.document()
        draw(path.with_suffix(".svg"), flooded.memory.samples, "Resident memory of the workers' processes")
        console.print(_table(flooded))
        console.print(f"Memory over time: {path.with_suffix('.svg')}\n")
    if "loop" in parts:
        ratios += _beside(
            arguments.cache.expanduser(), beside_loop.QUICK if arguments.quick else beside_loop.USUAL, notes
        )
    machine = _machine(others)
    write(path, ratios, machine, time.perf_counter() - started, found)
    console.print(render(ratios, machine, time.perf_counter() - started))
    if (share := others.share()) is not None:
        console.print(f"Other processes used {share:.0%} of the cores meanwhile.")


def _flood(items: int, notes: Console) -> Flood:
    with (
        tempfile.TemporaryDirectory(prefix="imagerag-bench-") as folder,
        Progress(*_COLUMNS, console=notes) as bar,
    ):
        work, task = Path(folder), bar.add_task("flood", total=items)
        with private_cluster(work / "data", settings=_told(work)) as state:
            return flood.measure(
                state, work, items, _cpus(), notes.print, lambda done: bar.update(task, completed=done)
            )


def _beside(cache: Path, extent: beside_loop.Extent, notes: Console) -> list[Ratio]:
    notes.print("Building the model (random weights, the shape of ViT-B/32) ...")
    model = build(cache)
    with (
        tempfile.TemporaryDirectory(prefix="imagerag-bench-") as folder,
        Progress(*_COLUMNS, console=notes) as bar,
    ):
        work = Path(folder)
        with private_cluster(work / "data", model=str(model), settings=_told(work)) as state:
            described = asyncio.run(_describe(state))
            place = beside_loop.Place(state, described, model, _cpus(), work)
            task = bar.add_task("loop", total=beside_loop.ways(described) * extent.rounds)
            return asyncio.run(beside_loop.run(place, extent, lambda: bar.advance(task)))


async def _describe(state: ClusterState) -> EncoderDescription:
    async with EncoderClient(state.addresses["encoder"]) as encoder:
        return await encoder.describe()


def _told(work: Path) -> Mapping[str, str]:
    return {"IMAGERAG_SOURCE_ROOTS": str(work)}


def _table(flooded: Flood) -> Table:
    """Where the processor's time went."""
    table = Table("", "ms a picture", box=None, pad_edge=False, title="Processor time", title_justify="left")
    table.columns[1].justify = "right"
    for name, seconds in flooded.stages_s.items():
        table.add_row(f"stage {name}", f"{1e3 * seconds:.2f}")
    table.add_row("all stages", f"{1e3 * sum(flooded.stages_s.values()):.2f}", end_section=True)
    for part, seconds in sorted(flooded.parts_s.items(), key=lambda pair: -pair[1]):
        table.add_row(part, f"{1e3 * seconds / flooded.items:.2f}")
    table.add_row("the whole cluster", f"{1e3 * sum(flooded.parts_s.values()) / flooded.items:.2f}")
    table.add_row("cores busy", f"{flooded.busy_share:.0%}")
    return table


def _machine(others: Others) -> dict[str, Any]:
    machine = this_machine()
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": machine.cpu,
        "cores": machine.cpus,
        "amx": machine.amx,
        "avx512_bf16": machine.avx512_bf16,
        "others_share": others.share(),
        "precision": "float32 (starter), " + " or ".join(machine.precisions),
        "model": f"starter (flood), {FOLDER} (loop)",
        "torch": torch.__version__,
    }


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
