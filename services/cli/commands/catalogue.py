"""`imagerag catalogue export | import`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from services.cli.errors import EXIT_USAGE, CliError
from services.cli.options import AsJson, Key, Url, open_client
from services.cli.output import Output, plain

if TYPE_CHECKING:
    from services.cli.catalogue.exporting import Exported
    from services.cli.catalogue.importing import ImportReport

catalogue_app = typer.Typer(
    help="All items of the key's tenant, with their vectors, as a Parquet file: out and in.",
    no_args_is_help=True,
)
PATIENCE_S = 120.0
_SHOWN_FAILURES = 20


@catalogue_app.command("export")
def export_command(
    file: Annotated[Path, typer.Argument(help="Parquet file to write.", dir_okay=False)],
    with_vectors: Annotated[
        bool, typer.Option("--with-vectors", help="Also the vectors: needed to import the file.")
    ] = False,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Write every item to a Parquet file; complete or not at all."""
    _need_parquet()
    from services.cli.catalogue.exporting import export

    output = Output(as_json=as_json)
    with open_client(url, key, patience_s=PATIENCE_S) as client, _bar(output, "Exporting") as bar:
        exported = export(client, file, with_vectors=with_vectors, progressed=bar.progressed)
    output.result(exported.document(), lambda: _exported(exported))


@catalogue_app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="A file of `imagerag catalogue export --with-vectors`.")],
    from_row: Annotated[int, typer.Option("--from-row", min=1, help="Go on where an earlier run ended.")] = 1,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Store the items of a file with their vectors, unless something newer is there."""
    _need_parquet()
    from services.cli.catalogue.importing import import_file

    output = Output(as_json=as_json)
    with open_client(url, key, patience_s=PATIENCE_S) as client, _bar(output, "Importing") as bar:
        report = import_file(client, file, from_row=from_row, progressed=bar.progressed)
    output.result(report.document(), lambda: _imported(report))
    if report.failed:
        raise typer.Exit(1)


class _Bar:
    """A progress bar on stderr."""

    def __init__(self, progress: Progress, description: str) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=None, rate="")

    def progressed(self, done: int, total: int) -> None:
        """So many of so many are done."""
        self._progress.update(self._task, completed=done, total=max(done, total))
        elapsed_s = self._progress.tasks[0].elapsed
        if elapsed_s:
            self._progress.update(self._task, rate=f"{done / elapsed_s:.0f}/s")


@contextmanager
def _bar(output: Output, description: str) -> Iterator[_Bar]:
    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=output.notes, disable=output.as_json) as progress:
        yield _Bar(progress, description)


def _need_parquet() -> None:
    if find_spec("pyarrow") is None:
        raise CliError(
            "This installation cannot write or read Parquet.",
            "Install with `pip install 'imagerag[cli,tables]'`.",
            exit_code=EXIT_USAGE,
        )


def _exported(exported: Exported) -> RenderableType:
    vectors = "with vectors" if exported.header.with_vectors else "without vectors"
    size = f"{exported.size_bytes / 2**20:.1f} MiB"
    return plain(f"{exported.items} items, {vectors}, {size}: {exported.path}", 500)


def _imported(report: ImportReport) -> RenderableType:
    counts = f"{report.stored} stored, {report.kept} kept as they are newer here, {len(report.failed)} failed."
    parts: list[RenderableType] = [Text(counts)]
    if report.missing_pictures:
        parts.append(
            Text(
                f"{len(report.missing_pictures)} of their pictures are not kept here: they are found and cannot "
                "be shown. Copy the media of the other cluster (docs/catalogue.md)."
            )
        )
    if report.failed:
        table = Table("Row", "Key", "Code", "Reason", box=None, title="Not imported", title_justify="left")
        for each in report.failed[:_SHOWN_FAILURES]:
            table.add_row(str(each.row), plain(each.key), plain(each.code), plain(each.message))
        parts.append(table)
    return Group(*parts)
