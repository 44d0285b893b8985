"""The composition root: builds the model, makes the pictures, runs the parts one after the other."""

from __future__ import annotations

import argparse
import asyncio
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from transformers.utils.logging import disable_progress_bar

from benchmarks.encoder import batching, cuda, forward, lanes, payloads, peers, service
from benchmarks.encoder.bench import Bench
from benchmarks.encoder.machine import Machine, Others, this_machine
from benchmarks.measuring import ROUNDS
from benchmarks.model import FOLDER, build
from benchmarks.report import Row, render, write
from benchmarks.runner import CACHE, RESULTS
from services.common.media.preprocessing import CLIP

_INFINITY = Path(__file__).parents[2] / ".venv-infinity" / "bin" / "infinity_emb"
_FILE_COLUMNS = 180
_ROUND_S = 5.0
_QUICK_ROUNDS, _QUICK_ROUND_S = 2, 1.5


class _Part(NamedTuple):
    run: Callable[[Bench], Awaitable[list[Row]]]
    ways_in: Callable[[Bench], int]


_PARTS: Mapping[str, _Part] = {
    "forward": _Part(forward.run, forward.ways_in),
    "service": _Part(service.run, service.ways_in),
    "batching": _Part(batching.run, batching.ways_in),
    "lanes": _Part(lanes.run, lanes.ways_in),
    "peers": _Part(peers.run, peers.ways_in),
    "cuda": _Part(cuda.run, cuda.ways_in),
}


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encoder", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"which of {', '.join(_PARTS)}; all of them if none is named")
    parser.add_argument("--quick", action="store_true", help="two short rounds: to see that it runs, not how fast")
    parser.add_argument("--infinity", type=Path, default=_INFINITY, help="command of infinity-emb")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where models are kept for the next time")
    parser.add_argument(
        "--json", type=Path, default=None, help="file for the figures; default: benchmarks/results/"
    )
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in _PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(_PARTS)}")
    # Servers are stopped on the way out, also when this process is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    _benchmark(arguments)


def _benchmark(arguments: argparse.Namespace) -> None:
    started, notes = time.perf_counter(), Console(stderr=True, highlight=False)
    disable_progress_bar()  # type: ignore[no-untyped-call]
    notes.print("Building the model (random weights, the shape of ViT-B/32) and the pictures ...")
    machine, others, cache = this_machine(), Others(), arguments.cache.expanduser()
    path = arguments.json or RESULTS / f"encoder-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    with tempfile.TemporaryDirectory(prefix="imagerag-bench-") as folder:
        work = Path(folder)
        bench = Bench(
            machine=machine,
            model=build(cache),
            payloads=payloads.make(work, CLIP),
            infinity=arguments.infinity if arguments.infinity.is_file() else None,
            work=work,
            cache=cache,
            rounds=_QUICK_ROUNDS if arguments.quick else ROUNDS,
            round_s=_QUICK_ROUND_S if arguments.quick else _ROUND_S,
            advance=lambda: None,
        )

        def keep(rows: Sequence[Row]) -> None:
            """After each part, so that a run that is cut short is not lost."""
            write(path, rows, _document(machine, others), time.perf_counter() - started)

        rows = asyncio.run(_measure(arguments.parts or list(_PARTS), bench, notes, keep))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _FILE_COLUMNS)
    console.print(render(rows, _document(machine, others), time.perf_counter() - started))
    if (share := others.share()) is not None:
        console.print(f"Other processes used {share:.0%} of the cores meanwhile.")


async def _measure(
    parts: Sequence[str], bench: Bench, notes: Console, keep: Callable[[Sequence[Row]], None]
) -> list[Row]:
    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    rows: list[Row] = []
    with Progress(*columns, console=notes) as progress:
        for name in parts:
            part = _PARTS[name]
            task = progress.add_task(name, total=part.ways_in(bench) * bench.rounds)

            def advance(task: Any = task) -> None:
                progress.advance(task)

            rows += await part.run(replace(bench, advance=advance))
            keep(rows)
    return rows


def _document(machine: Machine, others: Others) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": machine.cpu,
        "cores": machine.cpus,
        "amx": machine.amx,
        "avx512_bf16": machine.avx512_bf16,
        "gpu": machine.gpu,
        "others_share": others.share(),
        "precision": " and ".join(machine.precisions),
        "model": FOLDER,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
