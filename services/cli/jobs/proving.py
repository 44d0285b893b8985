"""The proof of a job, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from services.cli.errors import CliError
from services.cli.jobs.duplicates import count_rows
from services.cli.jobs.watching import raise_error
from services.cli.output import Output, plain
from services.cli.rest.client import RestClient

Json = Mapping[str, Any]
_SHOWN_FINDINGS = 20
_ROWS = (
    ("accepted", "total", "items that the job took on"),
    ("stored", "stored", ""),
    ("  of these there", "present", "this job's own write, with its vectors and its picture"),
    ("  replaced since", "replaced", "by a newer write of the same item"),
    ("  deleted since", "deleted", ""),
    ("  incomplete", "incomplete", "an enrichment failed: `imagerag jobs retry ID --incomplete`"),
    ("merged", "merged", "the same item as another line of the job"),
    ("superseded", "superseded", "a newer write or delete came first"),
    ("skipped", "skipped", "duplicates that were left out as asked: `imagerag jobs duplicates`"),
    ("failed", "failed", "each with its reason: `imagerag jobs failures`"),
    ("pending", "pending", "without an end yet"),
)
_FAULTS = {
    "no_manifest": "the ledger has lost what was accepted",
    "no_reason": "failed without a reason",
    "not_stored": "said to be stored, and not there",
    "outdated": "an older write stands there",
    "no_image_vector": "the picture's vector is missing",
    "no_text_vector": "the text's vector is missing",
    "no_picture": "the picture's bytes are missing",
}


def verify(client: RestClient, job_id: str, output: Output) -> Json:
    """Have a job checked, showing how far that is; the proof.

    Raises:
        CliError: There is no such job, or a service does not answer.
    """
    columns = (TextColumn("Checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=output.notes, disable=output.as_json) as bar,
        client.verify_job(job_id) as events,
    ):
        task = bar.add_task("", total=None)
        for event in events:
            raise_error(event)
            if event.name == "done":
                return dict(event.data)
            bar.update(task, total=event.data["total"], completed=event.data["checked"])
    raise CliError("The gateway broke off.", "Try again.", code="interrupted")


def proof_table(proof: Json) -> RenderableType:
    """What was found, and whether it proves the job."""
    counts = Table(box=None, show_header=False)
    for label, name, meaning in _ROWS:
        counts.add_row(label, str(proof[name]), Text(meaning, style="dim"))
    for label, number, meaning in count_rows(proof):
        counts.add_row(f"  {label}", number, Text(meaning, style="dim"))
    if proof["proven"]:
        return Group(counts, Text("Everything is accounted for and there.", style="green"))
    parts: list[RenderableType] = [counts]
    if proof["faults"]:
        parts.append(_findings(proof))
    return Group(*parts, Text(_verdict(proof), style="red"))


def _findings(proof: Json) -> Table:
    table = Table("Line", "Name", "What is wrong", box=None)
    for found in proof["findings"][:_SHOWN_FINDINGS]:
        fault = _FAULTS.get(found["fault"], found["fault"])
        table.add_row(str(found["line"]), plain(found["name"]), plain(fault))
    more = sum(proof["faults"].values()) - min(_SHOWN_FINDINGS, len(proof["findings"]))
    if more > 0:
        table.add_row("", Text(f"... and {more} more"), "")
    return table


def _verdict(proof: Json) -> str:
    if proof["cancelled"]:
        return f"Not proven: the job was cancelled, and {proof['pending']} items were never done."
    if not proof["listed"]:
        return "Not proven: its source is not read to the end."
    if proof["faults"]:
        return "Not proven: see above."
    return f"Not proven: {proof['pending']} items have no end yet."
