"""`imagerag doctor`."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from rich.table import Table

from services.cli.cluster.state import DEMO_FOLDER, read_state
from services.cli.diagnosis.cluster import cluster_findings
from services.cli.diagnosis.endpoint import caption_findings, endpoint_findings
from services.cli.diagnosis.findings import Finding, Level
from services.cli.diagnosis.machine import machine_findings
from services.cli.diagnosis.qdrant import ask_qdrant
from services.cli.errors import EXIT_FAILED
from services.cli.options import AsJson, Data, Key, Url, data_folder, open_client
from services.cli.output import Output, plain
from services.cli.settings import read_caption_endpoint, read_model_endpoint

_MARKS = {Level.OK: "[green]✓[/]", Level.NOTE: "[yellow]![/]", Level.FAILED: "[red]✗[/]"}


def doctor_command(data: Data = None, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Look for what may be wrong on this machine and in the cluster, and say how to mend it."""
    folder = data_folder(data)
    if read_state(folder) is None and read_state(folder / DEMO_FOLDER) is not None:
        folder = folder / DEMO_FOLDER
    running = read_state(folder)
    with open_client(url or (running.url if running else None), key) as client:
        of_cluster = cluster_findings(client, folder / "logs" if running else None)
    of_qdrant = ask_qdrant(running.addresses.get("store") if running else None)
    of_models = [*endpoint_findings(read_model_endpoint()), *caption_findings(read_caption_endpoint())]
    findings = [*machine_findings(folder, running), *of_cluster, *of_qdrant, *of_models]
    healthy = all(finding.level is not Level.FAILED for finding in findings)
    document = {"healthy": healthy, "findings": [vars(finding) for finding in findings]}
    Output(as_json=as_json).result(document, lambda: _table(findings))
    if not healthy:
        raise typer.Exit(EXIT_FAILED)


def _table(findings: Sequence[Finding]) -> Table:
    table = Table("", "What", "Found", "What to do", box=None)
    for finding in findings:
        texts = (plain(finding.subject), plain(finding.detail, 400), plain(finding.fix, 400))
        table.add_row(_MARKS[finding.level], *texts)
    return table
