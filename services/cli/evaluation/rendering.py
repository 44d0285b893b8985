"""Results and progress for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
    return Group(head, *(_grid(table) for table in report.tables), _checks(report), Text(took, style="dim"))


def _grid(table: Table) -> RenderableType:
    grid = Grid("", *table.columns, title=table.title, title_justify="left", title_style="bold", box=None)
    for column in grid.columns[1:]:
        column.justify = "right"
    for row in table.rows:
        cells = (row.cells.get(column) for column in table.columns)
        grid.add_row(row.label, *("" if cell is None else figure(cell) for cell in cells))
    return Group(Text(), grid, Text(table.note, style="dim"))


def figure(estimate: Estimate) -> str:
    """An estimate as people read it: the mean and half of its interval."""
    return f"{estimate.mean:.3f} ±{(estimate.high - estimate.low) / 2:.3f}"


def _checks(report: Report) -> RenderableType:
    if not report.checks:
        return Text("\nTargets are checked on the whole data set alone.", style="dim")
    grid = Grid(
        "", "measured", "at least", "", title="Targets", title_justify="left", title_style="bold", box=None
    )
    for check in report.checks:
        grid.add_row(check.name, f"{check.measured:.3f}", f"{check.target:.3f}", _verdict(check))
    return Group(Text(), grid)


def _verdict(check: Check) -> Text:
    return Text("met", style="green") if check.met else Text("missed", style="bold red")
