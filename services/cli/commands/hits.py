"""Hits as a table, each with its reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Column, Table

from services.cli.errors import EXIT_USAGE, CliError
from services.cli.output import plain

Json = Mapping[str, Any]
_ID_CHARS = 36
_OF_MODELS = {"ocr": "read in the picture", "caption": "in a model's caption", "labels": "among a model's labels"}
"""Where words may stand that no person wrote down."""


def hits_table(hits: Sequence[Json]) -> Table:
    """A row a hit: rank, name, fused score, why, id."""
    table = Table("#", "What", "Score", "Why", id_column(), box=None)
    for hit in hits:
        style = None if hit["relevant"] else "dim"
        row = (str(hit["rank"]), plain(item_name(hit["item"]), 60), f"{hit['score']:.4f}", plain(why(hit)))
        table.add_row(*row, str(hit["item"]["id"]), style=style)
    return table


def id_column(header: str = "Id") -> Column:
    """A column whose ids stay whole, to be copied."""
    return Column(header, no_wrap=True, overflow="ignore", min_width=_ID_CHARS)


def item_name(item: Json) -> str:
    """What a person would call an item."""
    text = str(item.get("text") or item.get("ocr_text") or "")
    key = str(item.get("key") or "")
    own_key = "" if key.startswith("sha256:") else key
    return str(item.get("title") or item.get("source_uri") or own_key or text or f"({item['kind']})")


def why(hit: Json) -> str:
    """The reasons of a hit in one line: matched words, then each leg with its score, rank and noise floor."""
    words = ", ".join(hit["why"]["matched_words"])
    places = ", ".join(_OF_MODELS[field] for field in hit["why"].get("matched_in", ()) if field in _OF_MODELS)
    legs = map(_leg, hit["why"]["legs"])
    common = [f"words: {words} ({places})" if places else f"words: {words}"] if words else []
    return "; ".join([*common, *legs])


def parse_filter(text: str) -> dict[str, Any]:
    """The filter that `--filter` gives.

    Raises:
        CliError: It is not a JSON object.
    """
    try:
        found = json.loads(text) if text else {}
    except ValueError as error:
        raise _not_an_object(str(error)) from None
    if not isinstance(found, dict):
        raise _not_an_object("it is something else")
    return found


def _leg(leg: Json) -> str:
    vote = "" if leg["votes"] else f" below {leg['noise_floor']:.2f}"
    return f"{leg['leg']} {leg['score']:.2f} (rank {leg['rank']}){vote}"


def _not_an_object(reason: str) -> CliError:
    fix = 'Write for example --filter \'{"category": "dress", "price": {"lte": 300}}\'.'
    return CliError(f"--filter must be a JSON object: {reason}.", fix, code="invalid_filter", exit_code=EXIT_USAGE)
