"""Follows one job through the gateway's events; a restart of the gateway is waited out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from services.cli.errors import CliError
from services.cli.output import Output
from services.cli.rest.client import RestClient
from services.cli.rest.events import Event

Json = Mapping[str, Any]
PATIENCE_S = 120.0
"""So long the gateway may be away."""
_PAUSE_S = 1.0
_PASSING = frozenset(
    {"unreachable", "connection", "deadline_exceeded", "unavailable", "overloaded", "interrupted"}
)


def watch(client: RestClient, job_id: str, output: Output) -> Json:
    """Show how a job goes on until it ends.

    Returns:
        The job's last numbers.

    Raises:
        CliError: There is no such job, or the gateway stays away.
    """
    with _bar(output) as bar:
        task = bar.add_task("", total=None, state="", pace="")
        for event in follow_events(client, job_id):
            job = event.data
            total = job["total"] if job["listed"] else None
            done = job["total"] - job["pending"]
            bar.update(task, total=total, completed=done, state=job["state"], pace=pace(job))
            if event.name == "done":
                return dict(job)
    raise CliError(f"The events of job {job_id} ended early.", "Try again.", code="interrupted")


def follow_events(client: RestClient, job_id: str, patience_s: float = PATIENCE_S) -> Iterator[Event]:
    """The job's events; after an interruption they go on, as long as it is not too long.

    Raises:
        CliError: See `watch`.
    """
    heard_at = time.monotonic()
    while True:
        interruption = CliError(f"The events of job {job_id} broke off.", "Try again.", code="interrupted")
        try:
            with client.job_events(job_id) as events:
                for event in events:
                    raise_error(event)
                    heard_at = time.monotonic()
                    yield event
                    if event.name == "done":
                        return
        except CliError as error:
            interruption = error
        if interruption.code not in _PASSING or time.monotonic() - heard_at > patience_s:
            raise interruption
        time.sleep(_PAUSE_S)


def pace(job: Json) -> str:
    """How fast, and how long yet; e.g. `41.5/s, 3:20 left`."""
    if job["state"] == "paused":
        return "paused"
    rate, eta_s = job["rate_per_s"], job["eta_s"]
    shown = "" if rate is None else f"{rate:.1f}/s"
    if eta_s is None:
        return f"{shown}, still reading the source" if shown and not job["listed"] else shown
    return f"{shown}, {time_left(eta_s)}" if shown else time_left(eta_s)


def time_left(seconds: float) -> str:
    """E.g. `3:20 left`."""
    minutes, left_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{left_s:02d} left" if hours else f"{minutes}:{left_s:02d} left"


def raise_error(event: Event) -> None:
    """Raise what an `error` event says.

    Raises:
        CliError: It is one.
    """
    if event.name == "error":
        problem = event.data if isinstance(event.data, dict) else {}
        with suppress(KeyError):
            raise CliError(str(problem["detail"]), code=str(problem["code"]))
        raise CliError("The gateway broke off.", "Try again.", code="interrupted")


def _bar(output: Output) -> Progress:
    return Progress(
        TextColumn("{task.fields[state]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        console=output.notes,
        disable=output.as_json,
    )
