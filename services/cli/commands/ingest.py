"""`imagerag ingest WHAT...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.cli.errors import EXIT_FAILED, CliError
from services.cli.ingestion.bars import Bars
from services.cli.ingestion.entries import size_bytes
from services.cli.ingestion.planning import Asked, Plan, plan, read_url_list
from services.cli.ingestion.service import Ingestion, Report
from services.cli.ingestion.uploads import Sent
from services.cli.jobs.proving import proof_table, verify
from services.cli.options import AsJson, Key, Url, open_client
from services.cli.output import Output, plain
from services.cli.rest.client import RestClient

PATIENCE_S = 120.0
"""A restart of the gateway or the broker in the middle of a long upload is waited out."""
_SHOWN_FAILURES = 20
_EXIT_INTERRUPTED = 130

Policy = Literal["keep", "link", "skip"]
What = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="WHAT...",
        help="Files, folders (recursively), tables (JSONL, CSV, TSV, Parquet), https:// or s3:// URLs.",
        show_default=False,
    ),
]


def ingest_command(
    what: What = None,
    server_side: Annotated[
        bool, typer.Option("--server-side", help="WHAT are paths on the server: its workers read them there.")
    ] = False,
    url_list: Annotated[
        Path | None, typer.Option("--url-list", help="Text file with a URL in each line.", dir_okay=False)
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="Of tables, FIELD=COLUMN: what fills a field; may be repeated."),
    ] = None,
    only_pictures: Annotated[
        bool, typer.Option("--only-pictures", help="Leave out everything else that lies in a folder.")
    ] = False,
    names: Annotated[
        bool, typer.Option(help="Store file names as titles of pictures, so that words find them.")
    ] = True,
    ocr: Annotated[bool, typer.Option("--ocr", help="Read the text inside pictures.")] = False,
    captions: Annotated[bool, typer.Option("--captions", help="Have a vision model describe pictures.")] = False,
    tags: Annotated[bool, typer.Option("--tags", help="Have a model name what is seen.")] = False,
    duplicates: Annotated[
        Policy, typer.Option(help="A picture with the same bytes as another's: keep, link to it, or skip.")
    ] = "keep",
    near_duplicates: Annotated[Policy, typer.Option(help="The same for one that looks like another.")] = "keep",
    wait: Annotated[bool, typer.Option(help="Stay until everything is stored.")] = True,
    prove: Annotated[bool, typer.Option("--verify", help="At the end, prove that everything is there.")] = False,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Take anything in, and follow it until it can be found.

    Pictures, PDFs, texts, ZIP and TAR archives, videos and tables are sent from this machine; URLs are read by the
    workers. Status 1: something did not go in, and is listed with the reason.
    """
    output = Output(as_json=as_json)
    options = _options(column, ocr, captions, tags, duplicates, near_duplicates)
    asked = Asked(server_side, names, only_pictures, with_columns=bool(column))
    planned = plan(what or [], read_url_list(url_list) if url_list else [], asked)
    if planned.is_empty:
        raise CliError("There is nothing to ingest.", "Name files, folders or URLs: `imagerag ingest ~/Pictures`.")
    with open_client(url, key, patience_s=PATIENCE_S) as client:
        client.info()  # an unknown key or address is better said before sending anything
        report = _ingest(client, planned, options, output, wait=wait)
        proofs = [verify(client, job_id, output) for job_id in report.jobs] if prove and wait else []
    document = report.document() | ({"proofs": proofs} if proofs else {})
    output.result(document, lambda: Group(_summary(report, wait=wait), *map(proof_table, proofs)))
    if report.failures or not all(proof["proven"] for proof in proofs):
        raise typer.Exit(EXIT_FAILED)


def _ingest(client: RestClient, planned: Plan, options: dict[str, Any], output: Output, *, wait: bool) -> Report:
    sent = planned.all_entries()
    with Bars(output, len(sent), size_bytes(sent)) as bars:
        ingestion = Ingestion(client, Sent(bars.entry_sent, bars.bytes_sent), bars.progressed, options)
        try:
            ingestion.begin(planned)
            return ingestion.end(wait=wait)
        except KeyboardInterrupt:
            pass
    _tell_interrupted(output, ingestion)
    raise typer.Exit(_EXIT_INTERRUPTED)


def _options(
    columns: list[str] | None, ocr: bool, captions: bool, tags: bool, duplicates: Policy, near_duplicates: Policy
) -> dict[str, Any]:
    """What is asked of the jobs; what is not asked is left out."""
    said: dict[str, Any] = {"columns": dict(map(_column, columns or []))}
    said |= {"ocr": ocr, "captions": captions, "tags": tags}
    policies = {"duplicates": duplicates, "near_duplicates": near_duplicates}
    return {name: value for name, value in said.items() if value} | {
        name: policy for name, policy in policies.items() if policy != "keep"
    }


def _column(text: str) -> tuple[str, str]:
    place, sign, column = text.partition("=")
    if not (place and sign and column):
        raise CliError(f"--column {text}: write FIELD=COLUMN.", "For example --column title=product_name.")
    return place, column


def _tell_interrupted(output: Output, ingestion: Ingestion) -> None:
    """The jobs go on without whoever watches them."""
    if ingestion.jobs:
        shown = ", ".join(ingestion.jobs)
        output.note(f"What was accepted goes on. Jobs: {shown}.")
        output.note("`imagerag jobs watch ID` follows one, `imagerag jobs cancel ID` ends it.")
    output.note("What was not sent yet: give the same command again; what is there is not sent twice.")


def _summary(report: Report, *, wait: bool) -> RenderableType:
    totals = report.totals
    jobs = ", ".join(report.jobs) or "none"
    if not wait:
        line = f"{totals.total} items are queued. Jobs: {jobs}. See `imagerag jobs show ID`."
    else:
        line = f"{', '.join(_counts(report))}. Jobs: {jobs}."
    if not report.failures:
        return Text(line)
    table = Table("Name", "Code", "Reason", box=None, title="Not ingested", title_justify="left")
    for failure in report.failures[:_SHOWN_FAILURES]:
        table.add_row(plain(failure.name), plain(failure.code), plain(failure.message))
    more = len(report.failures) - _SHOWN_FAILURES
    rest = Text(f"... and {more} more: `imagerag jobs failures ID` lists them." if more > 0 else "")
    return Group(Text(line), table, rest)


def _counts(report: Report) -> list[str]:
    totals = report.totals
    counts = [f"{totals.stored} stored", f"{totals.merged} merged", f"{totals.superseded} superseded"]
    if totals.skipped:
        counts.append(f"{totals.skipped} skipped as duplicates")
    counts.append(f"{len(report.failures)} failed")
    if totals.incomplete:
        counts.append(f"{totals.incomplete} incomplete (`imagerag jobs retry ID --incomplete`)")
    if totals.pending:
        counts.append(f"{totals.pending} never begun (cancelled)")
    return counts
