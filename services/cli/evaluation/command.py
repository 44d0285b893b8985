"""`imagerag eval`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from services.cli.errors import CliError
from services.cli.evaluation.cluster import private_cluster
from services.cli.evaluation.download import load
from services.cli.evaluation.judging import SEED
from services.cli.evaluation.rendering import Bars, render
from services.cli.evaluation.results import Report
from services.cli.evaluation.service import Evaluation
from services.cli.evaluation.stamps import sample
from services.cli.options import Key, open_client
from services.cli.output import Output
from services.cli.rest.client import RestClient

_PATIENCE_S = 60.0
_EXIT_MISSED = 1
DEFAULT_CACHE = Path("~/.cache/imagerag")

Stamps = Annotated[
    Path | None, typer.Option("--stamps", help="The Debian package or a folder it was unpacked into.")
]
Cache = Annotated[Path, typer.Option("--cache", help="Where the pictures are kept for the next time.")]
Limit = Annotated[
    int | None, typer.Option("--limit", min=10, help="Only so many stamps, by chance: a quick look.")
]
OwnUrl = Annotated[str | None, typer.Option("--url", help="Measure this cluster; else one is started for it.")]
Model = Annotated[str | None, typer.Option("--model", help="For the cluster that is started, as in `up --model`.")]
Sweep = Annotated[bool, typer.Option("--sweep", help="Also try other fusion constants and weights.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write all figures into this file too.")]


def eval_command(
    stamps: Stamps = None,
    limit: Limit = None,
    sweep: Sweep = False,
    url: OwnUrl = None,
    key: Key = None,
    model: Model = None,
    json_file: JsonFile = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Measure how well things are found, on 538 public pictures, through the REST interface.

    The first run fetches Debian's package of Tux Paint stamps (161 MB) with apt-get. It takes some minutes.
    """
    output = Output(as_json=False)
    output.note("Reading the pictures ...")
    chosen = sample(load(stamps, cache.expanduser()), limit, seed=SEED)
    with _cluster(url, key, model, output) as client:
        evaluation = Evaluation(client, chosen, Bars(output.notes, shown=True))
        try:
            report = evaluation.run(with_sweep=sweep)
        finally:
            if url is not None:
                evaluation.clean_up()
    if json_file is not None:
        _write(json_file, report)
    output.result(report.document(), lambda: render(report))
    if not all(check.met for check in report.checks):
        raise typer.Exit(_EXIT_MISSED)


@contextmanager
def _cluster(url: str | None, key: str | None, model: str | None, output: Output) -> Iterator[RestClient]:
    """A client of the cluster to measure: the given one, or one that lives as long as the block."""
    if url is not None:
        with open_client(url, key, patience_s=_PATIENCE_S) as client:
            yield client
        return
    with tempfile.TemporaryDirectory(prefix="imagerag-eval-") as folder:
        output.note("Starting a cluster ...")
        with (
            private_cluster(Path(folder) / "data", model=model) as state,
            RestClient(state.url, patience_s=_PATIENCE_S) as client,
        ):
            yield client


def _write(path: Path, report: Report) -> None:
    try:
        path.write_text(json.dumps(report.document(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror}.", "Check the path.") from None
