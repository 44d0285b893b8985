"""The figures as a table for people and as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmarks.measuring import NotRun, Ratio

Row = Ratio | NotRun


def render(rows: Sequence[Row], machine: Mapping[str, Any], took_s: float) -> RenderableType:
    """Everything that was measured, and what was not."""
    ratios = [row for row in rows if isinstance(row, Ratio)]
    table = Table("", "ours", "yardstick", "ratio", "min to max", "good is", box=None, pad_edge=False)
    for column in table.columns[1:5]:
        column.justify = "right"
    if any(ratio.goal for ratio in ratios):
        table.add_column("goal")
    for ratio in ratios:
        table.add_row(ratio.name, *_figures(ratio), ratio.better, _goal(ratio))
    head = f"{machine['cpu']}, {machine['cores']} cores, {machine['precision']}, model: {machine['model']}"
    return Group(
        Text(head),
        Text(),
        table,
        Text(),
        *(Text(f"{row.name}: not run. {row.reason}") for row in rows if isinstance(row, NotRun)),
        *(Text(f"{', '.join(names)}: {meaning}", style="dim") for meaning, names in _meanings(ratios).items()),
        Text(f"{took_s:.0f} s", style="dim"),
    )


def _meanings(ratios: Sequence[Ratio]) -> dict[str, list[str]]:
    """The names of the ratios that share a meaning."""
    names: dict[str, list[str]] = {}
    for ratio in ratios:
        names.setdefault(ratio.meaning, []).append(ratio.name)
    return names


def _figures(ratio: Ratio) -> tuple[str, str, str, str]:
    return (
        f"{statistics.median(ratio.ours):.1f} {ratio.unit}",
        f"{statistics.median(ratio.yardstick):.1f}",
        f"{ratio.median:.2f}",
        f"{min(ratio.rounds):.2f} to {max(ratio.rounds):.2f}",
    )


def _goal(ratio: Ratio) -> str:
    if ratio.goal is None:
        return ""
    sign = ">=" if ratio.better == "higher" else "<="
    return f"{sign} {ratio.goal.ratio:.2f} {ratio.verdict}"


def write(
    path: Path,
    rows: Sequence[Row],
    machine: Mapping[str, Any],
    took_s: float,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Write the JSON form, and `more` beside it; the folder is made."""
    document = {
        "machine": dict(machine),
        "took_s": round(took_s, 1),
        "ratios": [row.document() for row in rows],
        **(more or {}),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
