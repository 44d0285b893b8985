"""`imagerag jobs list | show | failures | cancel`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from services.cli.options import AsJson, Key, Url, open_client
from services.cli.output import Output, plain

jobs_app = typer.Typer(help="Watch and cancel ingestion jobs.", no_args_is_help=True)
JobId = Annotated[str, typer.Argument(help="The job's id.")]
Json = Mapping[str, Any]
_COUNTS = ("total", "stored", "merged", "superseded", "failed", "pending")


@jobs_app.command("list")
def list_command(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="Most jobs.")] = 20,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """The newest jobs."""
    with open_client(url, key) as client:
        jobs = client.jobs(limit)
    Output(as_json=as_json).result({"jobs": jobs}, lambda: _jobs_table(jobs))


@jobs_app.command("show")
def show_command(job_id: JobId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """How far a job is."""
    with open_client(url, key) as client:
        job = client.job(job_id)
    Output(as_json=as_json).result(job, lambda: _jobs_table([job]))


@jobs_app.command("failures")
def failures_command(job_id: JobId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """What of a job was given up, and why."""
    with open_client(url, key) as client:
        failures = list(client.failures(job_id))
    Output(as_json=as_json).result({"failures": failures}, lambda: _failures_table(failures))


@jobs_app.command("cancel")
def cancel_command(job_id: JobId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Let no further item of a job begin; what is stored stays."""
    with open_client(url, key) as client:
        job = client.cancel_job(job_id)
    Output(as_json=as_json).result(job, lambda: _jobs_table([job]))


def _jobs_table(jobs: Sequence[Json]) -> Table:
    table = Table(
        Column("Id", no_wrap=True, min_width=32),
        "State",
        "Created",
        *(name.capitalize() for name in _COUNTS),
        box=None,
    )
    for job in jobs:
        created = str(job["created_at"])[:16].replace("T", " ")
        table.add_row(plain(job["id"]), plain(job["state"]), created, *(str(job[name]) for name in _COUNTS))
    return table


def _failures_table(failures: Sequence[Json]) -> Table:
    table = Table("Line", "Name", "Code", "Reason", "Attempts", box=None)
    for failure in failures:
        texts = (plain(failure["name"]), plain(failure["code"]), plain(failure["message"]))
        table.add_row(str(failure["line"]), *texts, str(failure["attempts"]))
    return table
