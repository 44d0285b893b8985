"""Results and progress for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as Grid
from rich.text import Text

from services.cli.evaluation.metrics import Estimate
from services.cli.evaluation.results import Check, Report, Table
from services.cli.output import plain


class Bars:
    """A progress bar a stage, on a console of notes.

    Args:
        console: Not the one that results go to.
        shown: Draw them at all.
    """

    def __init__(self, console: Console, *, shown: bool) -> None:
        self._console, self._shown = console, shown

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[], None]]:
        """One bar; call what is given back after each step."""
        columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console, disable=not self._shown) as progress:
            task = progress.add_task(name, total=total)

            def advance() -> None:
                progress.advance(task)

            yield advance


def render(report: Report) -> RenderableType:
    """The whole report."""
    data = report.data_set
    head = Text(f"{data['name']}: {data['items']} objects, {data['chinese']} with a Chinese description. ")
    head.append_text(Text.assemble("Model: ", plain(report.system["model"]), ". ± is half of a 95 % interval."))
    took = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in report.took_s.items())
    return Group(head, *_tables(report.tables), _checks(report), Text(f"\n{took}", style="dim"))


def _tables(tables: Sequence[Table]) -> Iterator[RenderableType]:
    """One after the other; a note is printed below the last of those that share it."""
    for table, following in zip_longest(tables, tables[1:]):
        yield Text(f"\n{table.title}", style="bold")
        yield _grid(table)
        if following is None or following.note != table.note:
            yield Text(table.note, style="dim")


def _grid(table: Table) -> Grid:
    grid = Grid("", *table.columns, box=None, pad_edge=False)
    for column in grid.columns[1:]:
        column.justify = "right"
    for row in table.rows:
        cells = (row.cells.get(column) for column in table.columns)
        grid.add_row(row.label, *("" if cell is None else figure(cell, table.intervals) for cell in cells))
    return grid


def figure(estimate: Estimate, with_interval: bool) -> str:
    """An estimate as people read it: the mean and half of its interval."""
    half = f" ±{(estimate.high - estimate.low) / 2:.3f}" if with_interval else ""
    return f"{estimate.mean:.3f}{half}"


def _checks(report: Report) -> RenderableType:
    if not report.checks:
        return Text("\nTargets are checked on the whole data set alone.", style="dim")
    grid = Grid("Target", "measured", "at least", "", box=None, pad_edge=False)
    for check in report.checks:
        grid.add_row(check.name, f"{check.measured:.3f}", f"{check.target:.3f}", _verdict(check))
    return Group(Text(), grid)


def _verdict(check: Check) -> Text:
    return Text("met", style="green") if check.met else Text("missed", style="bold red")
