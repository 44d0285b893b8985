"""Leaves out the reasoning that some servers send before the answer, between `<think>` and `</think>`."""

from __future__ import annotations

_OPEN, _CLOSE = "<think>", "</think>"


class ThinkingFilter:
    """Passes on what follows a leading `<think>` block; a text without one passes unchanged."""

    def __init__(self) -> None:
        self._held = ""
        self._state = "begin"

    def feed(self, piece: str) -> str:
        """Take the next piece; return what belongs to the answer."""
        if self._state == "answer":
            return piece
        self._held += piece
        if self._state == "begin":
            self._begin()
        if self._state == "thinking":
            self._skip()
        return self._passed() if self._state == "answer" else ""

    def finish(self) -> str:
        """The end of the text: what was held back, unless it is reasoning that never ended."""
        return "" if self._state == "thinking" else self._passed()

    def _begin(self) -> None:
        start = self._held.lstrip()
        if start.startswith(_OPEN):
            self._state, self._held = "thinking", start.removeprefix(_OPEN)
        elif not _OPEN.startswith(start):
            self._state = "answer"

    def _skip(self) -> None:
        _, closed, rest = self._held.partition(_CLOSE)
        if closed:
            self._state, self._held = "answer", rest
        else:
            # The closing tag may come in pieces; the rest of the reasoning is not kept.
            self._held = self._held[-len(_CLOSE) + 1 :]

    def _passed(self) -> str:
        passed, self._held = self._held, ""
        return passed
