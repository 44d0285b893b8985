"""The measurement as a command: a table for people, JSON for machines."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from benchmarks.duplicates.judging import Limits, Row, mistaken_pairs, precision, recall, rows
from benchmarks.duplicates.measuring import originals, see_all
from services.encoder.backends.registry import load_backend
from services.encoder.settings import EncoderSettings

LIMITS = tuple(Limits(bits, cosine) for bits in (4, 6, 8, 10) for cosine in (0.6, 0.75, 0.9))
_TITLES = {
    "same": "Found, the same picture to a person",
    "changed": "Found, another picture made of it",
    "mistaken": "Pairs of different pictures that count as the same",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _parser().parse_args(arguments)
    paths = originals(options.pictures, options.most)
    backend = load_backend(EncoderSettings(model=options.model, threads=1))
    seen = {(group, name): found for group, name, found in see_all(backend, paths, options.family)}
    table = list(rows(seen, LIMITS))
    console = Console(width=160)
    console.print(f"{len(paths)} originals, {options.family} of each family, model {options.model}")
    console.print("Columns: most differing bits of the hashes and least cosine, both with the closer look.")
    console.print(_shown(table))
    for one, other in mistaken_pairs(seen["originals", ""], LIMITS[-2])[:40]:
        console.print(f"counts as the same: {paths[one].name}, {paths[other].name}", style="dim")
    if options.json:
        document = {"limits": [asdict(each) for each in LIMITS], "rows": [asdict(row) for row in table]}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.duplicates", description=__doc__)
    parser.add_argument("--pictures", type=Path, nargs="+", required=True, help="Folders of different pictures.")
    parser.add_argument("--most", type=int, default=400, help="Most of them.")
    parser.add_argument("--model", default="starter", help="Model of the encoder.")
    parser.add_argument("--family", type=int, default=60, help="Pictures of each family of lookalikes.")
    parser.add_argument("--json", type=Path, help="Also write the figures here.")
    return parser


def _shown(table: Sequence[Row]) -> Table:
    shown = Table(Column("", no_wrap=True), "of", *(each.label for each in LIMITS), box=None)
    for group, title in _TITLES.items():
        shown.add_row(f"[bold]{title}[/]")
        for row in (row for row in table if row.group == group):
            pattern = "{:.0f}" if group == "mistaken" else "{:.3f}"
            shown.add_row(row.name, str(row.of), *(pattern.format(figure) for figure in row.figures))
    shown.add_row("[bold]Recall[/]", "", *(f"{recall(table, column):.3f}" for column in range(len(LIMITS))))
    shown.add_row("[bold]Precision[/]", "", *(f"{precision(table, column):.4f}" for column in range(len(LIMITS))))
    return shown
