"""Options that several commands share, and the client they lead to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli.cluster.state import running_url
from services.cli.rest.client import RestClient
from services.cli.settings import read_settings

DEFAULT_URL = "http://127.0.0.1:8080"

Url = Annotated[str | None, typer.Option("--url", help="Address of the gateway.", envvar="IMAGERAG_URL")]
Key = Annotated[str | None, typer.Option("--key", help="API key.", envvar="IMAGERAG_KEY", show_envvar=True)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
Picture = Annotated[Path | None, typer.Option("--image", help="A picture to ask with.", dir_okay=False)]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=100, help="Most hits.")]
Filter = Annotated[str, typer.Option("--filter", help='JSON, e.g. \'{"price": {"lte": 300}}\'.')]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="Folder in which the cluster keeps everything.", envvar="IMAGERAG_DATA"),
]
Port = Annotated[
    int | None,
    typer.Option("--port", min=1, max=65535, help="Of page and REST interface; default 8080, or a free one."),
]


def data_folder(data: Path | None) -> Path:
    """The data folder that an option or the settings name, absolute."""
    return (data or read_settings().data).expanduser().absolute()


def open_client(url: str | None, key: str | None, *, patience_s: float = 0.0) -> RestClient:
    """A client of the gateway that the options, the environment, or the running cluster name."""
    settings = read_settings()
    given_key = key or (settings.key.get_secret_value() if settings.key else None)
    address = url or settings.url or running_url(data_folder(None)) or DEFAULT_URL
    return RestClient(address, given_key, timeout_s=settings.timeout_s, patience_s=patience_s)
