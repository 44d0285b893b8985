"""Duplicates of a job as a person reads them."""

from __future__ import annotations

from rich.console import Console

from services.cli.jobs.duplicates import count_rows, duplicates_table

NONE = {"linked_exact": 0, "linked_near": 0, "skipped_exact": 0, "skipped_near": 0}


def test_what_was_there_before_is_named() -> None:
    found = {"line": 7, "name": "cat\x1b[31m.jpg", "kind": "near", "similarity": 0.97123, "done": "linked"}
    console = Console(width=160)
    with console.capture() as captured:
        console.print(duplicates_table([{**found, "id": "id-7", "first_id": "id-3"}]))
    shown = captured.get()
    assert "0.971" in shown
    assert "id-3" in shown
    assert "\x1b" not in shown


def test_a_proof_without_duplicates_says_nothing_of_them() -> None:
    assert count_rows({"duplicates": NONE, "firsts_deleted": 0}) == []


def test_a_proof_tells_each_kind_and_what_is_gone() -> None:
    proof = {"duplicates": NONE | {"linked_near": 2, "skipped_exact": 5}, "firsts_deleted": 1}
    assert [(label, number) for label, number, _ in count_rows(proof)] == [
        ("linked, same look", "2"),
        ("skipped, same bytes", "5"),
        ("since deleted", "1"),
    ]
