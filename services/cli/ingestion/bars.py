"""Two progress bars on stderr: bytes sent, and items stored; each with its rate and the time left."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from services.cli.ingestion.following import Totals
from services.cli.jobs.watching import time_left
from services.cli.output import Output

_STEPS = ("B", "kB", "MB", "GB", "TB")


class Bars:
    """Shows how an ingestion goes on. Its methods may be called from several threads.

    Args:
        output: Where; nothing is shown to programs.
        entries: Files and words that are sent from here.
        total_bytes: Length of these files.
    """

    def __init__(self, output: Output, entries: int, total_bytes: int) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description:<9}"),
            BarColumn(),
            TextColumn("{task.fields[shown]}"),
            console=output.notes,
            disable=output.as_json,
        )
        self._entries, self._total_bytes, self._sent_entries = entries, total_bytes, 0
        self._uploading = self._add("Uploading", total_bytes) if entries else None
        self._storing = self._add("Storing", None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def entry_sent(self) -> None:
        """One more entry was uploaded or given up."""
        self._sent_entries += 1
        self._show_sent(0)

    def bytes_sent(self, count: int) -> None:
        """So many more bytes were sent, or need not be."""
        self._show_sent(count)

    def progressed(self, totals: Totals) -> None:
        """The jobs have come so far."""
        self._progress.update(
            self._storing,
            total=totals.total if totals.listed and totals.total else None,
            completed=totals.settled,
            shown=storing(totals),
        )

    def _add(self, description: str, total: float | None) -> TaskID:
        return self._progress.add_task(description, total=total, shown="")

    def _show_sent(self, count: int) -> None:
        if self._uploading is None:
            return
        self._progress.update(self._uploading, advance=count)
        task = self._progress.tasks[self._uploading]
        parts = [
            f"{self._sent_entries:,} of {self._entries:,}",
            f"{size(task.completed)} of {size(self._total_bytes)}",
        ]
        if task.speed and not task.finished:
            parts.append(f"{size(task.speed)}/s")
        if task.time_remaining is not None and not task.finished:
            parts.append(time_left(task.time_remaining))
        self._progress.update(self._uploading, shown=" · ".join(parts))


def storing(totals: Totals) -> str:
    """How far the jobs are, e.g. `3,120 of 5,000 · 41.2/s · 0:45 left`."""
    if not totals.total:
        return "waiting for a worker" if totals.listed else "reading what was sent"
    parts = [
        f"{totals.settled:,} of {totals.total:,}"
        if totals.listed
        else f"{totals.settled:,} of {totals.total:,} so far"
    ]
    if totals.failed:
        parts.append(f"{totals.failed:,} failed")
    if totals.paused:
        return " · ".join([*parts, "paused"])
    if totals.running and totals.rate_per_s:
        parts.append(f"{totals.rate_per_s:.1f}/s")
    if totals.running and totals.eta_s is not None:
        parts.append(time_left(totals.eta_s))
    return " · ".join(parts)


def size(count: float) -> str:
    """A number of bytes, e.g. `1.2 GB`."""
    step = 0
    while count >= 1000 and step < len(_STEPS) - 1:
        count, step = count / 1000, step + 1
    return f"{count:.0f} {_STEPS[step]}" if step < 2 else f"{count:.1f} {_STEPS[step]}"
