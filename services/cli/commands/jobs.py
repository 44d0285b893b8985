"""`imagerag jobs list | show | failures | duplicates | watch | pause | resume | cancel | retry | verify`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from services.cli.errors import EXIT_FAILED
from services.cli.jobs.duplicates import duplicates_table
from services.cli.jobs.proving import proof_table, verify
from services.cli.jobs.watching import watch
from services.cli.options import AsJson, Key, Url, open_client
from services.cli.output import Output, plain

jobs_app = typer.Typer(help="Watch, steer and check ingestion jobs.", no_args_is_help=True)
JobId = Annotated[str, typer.Argument(help="The job's id.")]
Json = Mapping[str, Any]
_COUNTS = ("total", "stored", "merged", "superseded", "failed", "skipped", "pending", "incomplete")


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


@jobs_app.command("duplicates")
def duplicates_command(job_id: JobId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Which items of a job have a picture that was there before, and what was done with them."""
    with open_client(url, key) as client:
        found = list(client.duplicates(job_id))
    Output(as_json=as_json).result({"duplicates": found}, lambda: duplicates_table(found))


@jobs_app.command("cancel")
def cancel_command(job_id: JobId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Let no further item of a job begin; what is stored stays."""
    with open_client(url, key) as client:
        job = client.cancel_job(job_id)
    Output(as_json=as_json).result(job, lambda: _jobs_table([job]))


@jobs_app.command("pause")
def pause_command(job_id: JobId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Let no further item of a job begin until it is resumed."""
    with open_client(url, key) as client:
        job = client.pause_job(job_id)
    Output(as_json=as_json).result(job, lambda: _jobs_table([job]))


@jobs_app.command("resume")
def resume_command(job_id: JobId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Let a paused job go on."""
    with open_client(url, key) as client:
        job = client.resume_job(job_id)
    Output(as_json=as_json).result(job, lambda: _jobs_table([job]))


@jobs_app.command("retry")
def retry_command(
    job_id: JobId,
    codes: Annotated[
        list[str] | None, typer.Option("--code", help="Only failures with this code; may be repeated.")
    ] = None,
    incomplete: Annotated[
        bool, typer.Option("--incomplete", help="Instead: stored items that OCR, captions or tags failed on.")
    ] = False,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Do what failed again, as if for the first time."""
    output = Output(as_json=as_json)
    if incomplete and codes:
        raise typer.BadParameter("takes no --code", param_hint="--incomplete")
    with open_client(url, key) as client:
        answer = client.retry_job(job_id, codes or [], incomplete=incomplete)
    if answer["left"]:
        output.note(
            f"{answer['left']} failures stay: they could not be read from the source. Put it right and ingest it "
            "again; what is stored already is not stored twice."
        )
    output.result(answer, lambda: _jobs_table([answer["job"]]))


@jobs_app.command("watch")
def watch_command(job_id: JobId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Follow a job to its end, with its rate and the time left."""
    output = Output(as_json=as_json)
    with open_client(url, key) as client:
        job = watch(client, job_id, output)
    output.result(job, lambda: _jobs_table([job]))


@jobs_app.command("verify")
def verify_command(job_id: JobId, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Prove that everything a job accepted is accounted for and stands in the store. Status 1: it does not."""
    output = Output(as_json=as_json)
    with open_client(url, key) as client:
        proof = verify(client, job_id, output)
    output.result(proof, lambda: proof_table(proof))
    if not proof["proven"]:
        raise typer.Exit(EXIT_FAILED)


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
