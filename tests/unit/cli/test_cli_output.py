"""What people and programs are shown."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from services.cli.commands.hits import hits_table, item_name, parse_filter, why
from services.cli.errors import EXIT_USAGE, CliError, unreachable
from services.cli.output import Output, plain, show_error


@given(st.text(max_size=300), st.integers(2, 250))
def test_no_control_character_reaches_the_terminal(text: str, limit: int) -> None:
    shown = plain(text, limit).plain
    assert len(shown) <= limit
    assert not [character for character in shown if unicodedata.category(character)[0] == "C"]


def test_markup_in_a_value_is_shown_as_it_is() -> None:
    console = Console(width=60)
    with console.capture() as captured:
        console.print(plain("[bold]x[/] \x1b[31mred"))
    assert captured.get() == "[bold]x[/]  [31mred\n"


def test_programs_get_one_document_and_no_notes(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.note("going on")
    output.result({"猫": 1}, lambda: pytest.fail("nothing is rendered"))
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"猫": 1}
    assert "猫" in captured.out
    assert captured.err == ""


def test_people_get_text_and_notes_apart(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False)
    output.note("going on")
    output.result({}, lambda: "a table")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("a table\n", "going on\n")


def test_an_error_is_a_sentence_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(CliError("It is [red]so[/].", "Do this."), as_json=False)
    assert capsys.readouterr().err == "Error: It is [red]so[/].\nWhat to do: Do this.\n"


def test_an_error_for_programs_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(unreachable("http://x"), as_json=True)
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "unreachable"


def hit(**item: Any) -> dict[str, Any]:
    leg = {"leg": "image", "score": 0.31, "rank": 1, "votes": True, "noise_floor": 0.2}
    below = {"leg": "text", "score": 0.1, "rank": 7, "votes": False, "noise_floor": 0.25}
    whole = {"id": "1f0d8f5e-8f0f-5a35-9a3e-0d7f3f0a6a11", "kind": "image", "title": "", "key": "", **item}
    return {
        "rank": 1, "score": 0.0164, "relevant": True, "item": whole,
        "why": {"legs": [leg, below], "matched_words": ["red", "dress"]},
    }  # fmt: skip


def test_a_hit_says_why_it_is_there() -> None:
    assert why(hit()) == "words: red, dress; image 0.31 (rank 1); text 0.10 (rank 7) below 0.25"


def test_words_that_no_person_wrote_down_are_said_to_be_so() -> None:
    found = hit()
    found["why"] |= {"matched_in": ["title", "ocr", "caption"], "legs": []}
    assert why(found) == "words: red, dress (read in the picture, in a model's caption)"


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ({"title": "Red dress", "key": "sku-1"}, "Red dress"),
        ({"source_uri": "a/b.jpg"}, "a/b.jpg"),
        ({"key": "sku-1"}, "sku-1"),
        ({"key": "sha256:00", "text": "A cat."}, "A cat."),
        ({"key": "sha256:00"}, "(image)"),
    ],
)
def test_what_an_item_is_called(item: dict[str, str], name: str) -> None:
    assert item_name(hit(**item)["item"]) == name


def test_an_id_stays_whole_in_a_narrow_terminal() -> None:
    console = Console(width=70)
    with console.capture() as captured:
        console.print(hits_table([hit(title="A long title of a picture that has one")]))
    assert "1f0d8f5e-8f0f-5a35-9a3e-0d7f3f0a6a11" in captured.get()


@pytest.mark.parametrize("text", ["{", "[1]", "3", "price<3"])
def test_a_filter_that_is_no_object_is_said(text: str) -> None:
    with pytest.raises(CliError) as caught:
        parse_filter(text)
    assert caught.value.exit_code == EXIT_USAGE


def test_a_filter_is_read() -> None:
    assert parse_filter("") == {}
    assert parse_filter('{"price": {"lte": 3}}') == {"price": {"lte": 3}}
