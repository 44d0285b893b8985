"""`imagerag ingest PATH`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from services.cli.errors import CliError
from services.cli.ingestion.entries import gather
from services.cli.ingestion.following import Totals
from services.cli.ingestion.service import Report, ingest
from services.cli.options import AsJson, Key, Url, open_client
from services.cli.output import Output, plain

PATIENCE_S = 120.0
"""A restart of the gateway or the broker in the middle of a long upload is waited out."""
_SHOWN_FAILURES = 20


def ingest_command(
    path: Annotated[Path, typer.Argument(help="A folder (recursively), a picture, or a JSONL manifest.")],
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
    wait: Annotated[bool, typer.Option(help="Stay until everything is stored.")] = True,
    names: Annotated[bool, typer.Option(help="Store file names as titles, so that words find them.")] = True,
) -> None:
    """Upload pictures and follow them until they can be found."""
    output = Output(as_json=as_json)
    entries, unusable = gather(path, with_names=names)
    if not entries and not unusable:
        raise CliError(f"There is nothing to ingest in {path}.", "Pictures are JPEG, PNG, WebP, GIF, BMP or TIFF.")
    with open_client(url, key, patience_s=PATIENCE_S) as client, _Bars(output, len(entries)) as bars:
        client.info()  # an unknown key or address is better said before reading a folder
        report = ingest(client, entries, uploaded=bars.uploaded, progressed=bars.progressed, wait=wait)
    report = Report(report.jobs, report.totals, (*unusable, *report.failures))
    output.result(report.document(), lambda: _summary(report, wait=wait))
    if report.failures:
        raise typer.Exit(1)


class _Bars:
    """Two progress bars on stderr: uploads, and stored items with their rate."""

    def __init__(self, output: Output, total: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=output.notes,
            disable=output.as_json,
        )
        self._uploading = self._add("Uploading", total)
        self._storing = self._add("Storing", total)

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def uploaded(self) -> None:
        """One more entry was uploaded or given up."""
        self._advance(self._uploading, advance=1)

    def progressed(self, totals: Totals) -> None:
        """The jobs have come so far."""
        self._progress.update(self._storing, total=totals.total)
        self._advance(self._storing, completed=totals.settled)

    def _add(self, description: str, total: int) -> TaskID:
        return self._progress.add_task(description, total=total, rate="")

    def _advance(self, task: TaskID, *, advance: float | None = None, completed: float | None = None) -> None:
        self._progress.update(task, advance=advance, completed=completed)
        state = self._progress.tasks[task]
        if state.elapsed:
            self._progress.update(task, rate=f"{state.completed / state.elapsed:.1f}/s")


def _summary(report: Report, *, wait: bool) -> RenderableType:
    totals = report.totals
    jobs = ", ".join(report.jobs) or "none"
    if not wait:
        return Text(f"{totals.total} items are queued. Jobs: {jobs}. See `imagerag jobs show ID`.")
    counts = f"{totals.stored} stored, {totals.merged} merged, {totals.superseded} superseded"
    line = f"{counts}, {len(report.failures)} failed"
    if totals.pending:
        line += f", {totals.pending} never begun (cancelled)"
    if not report.failures:
        return Text(f"{line}. Jobs: {jobs}.")
    table = Table("Name", "Code", "Reason", box=None, title="Not ingested", title_justify="left")
    for failure in report.failures[:_SHOWN_FAILURES]:
        table.add_row(plain(failure.name), plain(failure.code), plain(failure.message))
    more = len(report.failures) - _SHOWN_FAILURES
    rest = Text(f"... and {more} more: `imagerag jobs failures ID` lists them." if more > 0 else "")
    return Group(Text(f"{line}. Jobs: {jobs}."), table, rest)
