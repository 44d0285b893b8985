"""`imagerag ask QUESTION`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.table import Table

from services.cli.commands.hits import id_column, item_name, parse_filter
from services.cli.errors import EXIT_USAGE, CliError
from services.cli.options import AsJson, Filter, Key, Limit, Picture, Url, open_client
from services.cli.output import Output, plain
from services.cli.rest.client import RestClient, read_picture

Json = Mapping[str, Any]


def ask_command(
    question: Annotated[str, typer.Argument(help="A question about what is stored.")] = "",
    image: Picture = None,
    language: Annotated[str, typer.Option(help="Answer in this language (BCP 47); default: the question's.")] = "",
    limit: Limit = 10,
    filter_json: Filter = "",
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question from what is stored; every [n] names its source."""
    if not question.strip() and image is None:
        raise CliError("There is no question.", "Write one, give --image FILE, or both.", exit_code=EXIT_USAGE)
    query = {"question": question, "language": language, "limit": limit, "filter": parse_filter(filter_json)}
    picture = read_picture(image) if image else None
    output = Output(as_json=as_json)
    with open_client(url, key) as client:
        if as_json:
            output.result(client.ask(query, picture), str)
        else:
            _stream(client, query, picture, output)


def _stream(client: RestClient, query: Json, picture: bytes | None, output: Output) -> None:
    """Print the answer as it is written, then its sources."""
    hits: Json = {}
    with client.ask_stream(query, picture) as events:
        for event in events:
            if event.name == "hits":
                hits = {hit["item"]["id"]: hit["item"] for hit in event.data["hits"]}
            elif event.name == "text":
                output.results.print(plain(event.data["text"], limit_chars=100_000), end="")
            elif event.name == "done":
                output.results.print()
                if event.data["citations"]:
                    output.results.print(_sources(event.data, hits))
                return
            elif event.name == "error":
                raise CliError(str(event.data["detail"]), code=str(event.data["code"]))
    raise CliError("The answer broke off.", "Ask again; `imagerag doctor` says which part is away.")


def _sources(answer: Json, hits: Json) -> Table:
    table = Table("", "Source", "Quote", id_column(), box=None)
    for citation in answer["citations"]:
        item = hits.get(citation["item_id"])
        name = plain(item_name(item), 60) if item else plain("")
        number = plain(f"[{citation['number']}]")
        table.add_row(number, name, plain(citation["quote"] or "(picture)"), plain(citation["item_id"]))
    return table
