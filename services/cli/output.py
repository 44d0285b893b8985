"""Two ways to say the same: tables and colours for people, one JSON document for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.text import Text

from services.cli.errors import CliError

Render = Callable[[], RenderableType]


class Output:
    """Results go to stdout, everything else to stderr.

    Args:
        as_json: One JSON document instead of text for people.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.results = Console(highlight=False)
        self.notes = Console(stderr=True, highlight=False)

    def result(self, document: Any, render: Render) -> None:
        """Show a result: `document` to programs, what `render` makes to people."""
        if self.as_json:
            print(json.dumps(document, ensure_ascii=False))
        else:
            self.results.print(render())

    def note(self, markup: str) -> None:
        """Tell a person what is going on; programs are not told."""
        if not self.as_json:
            self.notes.print(markup)


def plain(value: object, limit_chars: int = 200) -> Text:
    """A value from outside as it is: no markup is read in it, no control character reaches the terminal."""
    text = "".join(character if character.isprintable() else " " for character in str(value))
    return Text(text if len(text) <= limit_chars else text[: limit_chars - 1] + "…")


def show_error(error: CliError, *, as_json: bool) -> None:
    """Print `error` to stderr."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if as_json:
        console.out(json.dumps(error.document(), ensure_ascii=False))
        return
    console.print(f"[bold red]Error:[/] {escape(plain(error.message, 2_000).plain)}")
    if error.fix:
        console.print(f"[bold]What to do:[/] {escape(plain(error.fix, 2_000).plain)}")
