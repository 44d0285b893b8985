"""Items of a job whose picture was there before, as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from services.cli.output import plain

Json = Mapping[str, Any]
_LINKED = "stored with a link to the item that was there before"
_SKIPPED = "another item is there in its stead"
_ROWS = (
    ("linked_exact", "linked, same bytes", _LINKED),
    ("linked_near", "linked, same look", _LINKED),
    ("skipped_exact", "skipped, same bytes", _SKIPPED),
    ("skipped_near", "skipped, same look", _SKIPPED),
)


def duplicates_table(duplicates: Sequence[Json]) -> Table:
    """The items with those that were there before."""
    table = Table("Line", "Name", "Kind", "Similarity", "Done", "Was there before", box=None)
    for found in duplicates:
        table.add_row(
            str(found["line"]),
            plain(found["name"]),
            plain(found["kind"]),
            f"{found['similarity']:.3f}",
            plain(found["done"]),
            plain(found["first_id"]),
        )
    return table


def count_rows(proof: Json) -> list[tuple[str, str, str]]:
    """Label, number and meaning of what a proof says about duplicates; nothing where there are none."""
    counts = proof["duplicates"]
    rows = [(label, str(counts[name]), meaning) for name, label, meaning in _ROWS if counts[name]]
    if proof["firsts_deleted"]:
        meaning = "of the skipped ones: nothing of the picture is left; ingest it again"
        rows.append(("since deleted", str(proof["firsts_deleted"]), meaning))
    return rows
