"""`imagerag search TEXT` and `imagerag search --image FILE`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from services.cli.commands.hits import hits_table, parse_filter
from services.cli.errors import EXIT_USAGE, CliError
from services.cli.options import AsJson, Filter, Key, Limit, Picture, Url, open_client
from services.cli.output import Output
from services.cli.rest.client import read_picture

_NOTHING = "Nothing was found."
_NOTHING_RELEVANT = "Nothing relevant was found; --all shows what came closest."
_ALL_BELOW = "Nothing of this is relevant: every score is below its noise floor."


def search_command(
    text: Annotated[str, typer.Argument(help="What to look for, in words.")] = "",
    image: Picture = None,
    limit: Limit = 10,
    filter_json: Filter = "",
    everything: Annotated[bool, typer.Option("--all", help="Also show hits below the noise floor.")] = False,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Find items by words, by a picture, or by both, with the reasons of each hit."""
    if not text.strip() and image is None:
        raise CliError("There is nothing to look for.", "Give words, --image FILE, or both.", exit_code=EXIT_USAGE)
    query = {"text": text, "limit": limit, "filter": parse_filter(filter_json), "include_irrelevant": everything}
    with open_client(url, key) as client:
        answer = client.search(query, read_picture(image) if image else None)
    Output(as_json=as_json).result(answer, lambda: _render(answer))


def _render(answer: Mapping[str, Any]) -> RenderableType:
    took = Text(f"{answer['timings_ms'].get('total', 0.0):.0f} ms", style="dim")
    if not answer["hits"]:
        return Group(Text(_NOTHING_RELEVANT if answer["nothing_relevant"] else _NOTHING), took)
    warning = Text(_ALL_BELOW, style="yellow") if answer["nothing_relevant"] else Text()
    return Group(hits_table(answer["hits"]), warning, took)
