"""The filter between a model and a reader: what passes are whole sentences that cite what was retrieved."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass

from services.generator.citations import checked, cited_numbers
from services.generator.grounding.links import visible, without_addresses, without_markup
from services.generator.grounding.secrets import SecretGuard
from services.generator.grounding.segments import LINE_ENDS, Segmenter
from services.generator.grounding.thinking import ThinkingFilter

NO_ANSWER = "NO_ANSWER"
"""What a model writes if the sources do not answer the question."""
_NO_ANSWER = re.compile(rf"\A\W*{NO_ANSWER}\W*\Z")
_BLANKS = re.compile(r"[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_CITATION = re.compile(r"\[[0-9]+\]")
_WIDE_ENDS = "。！？；，：、…”』」）"
_ROUNDS = 6
"""Ordinary text is clean after one round. What is still changing after six was written to get through."""


@dataclass
class Tally:
    """What became of the sentences of one answer."""

    kept: int = 0
    uncited: int = 0
    forbidden: int = 0


class GroundedText:
    """Passes on the sentences of a model's text that carry a valid citation, cleaned; the others are dropped.

    The result depends on the text alone, not on how it was cut into pieces, and nothing is taken back.

    Args:
        allowed: Numbers of the sources that the model was given.
        secrets: See `SecretGuard`.

    Attributes:
        tally: What became of the sentences so far.
        declined: The model wrote that the sources do not answer the question.
    """

    def __init__(self, allowed: Set[int], secrets: Iterable[str] = ()) -> None:
        self.tally = Tally()
        self.declined = False
        self._allowed = allowed
        self._guard = SecretGuard(secrets)
        self._thinking = ThinkingFilter()
        self._segments = Segmenter()
        self._written_last = ""
        self._line_ended = False

    def feed(self, piece: str) -> str:
        """Take the next piece; return what may be shown by now, maybe nothing."""
        return self._pass(self._segments.feed(self._thinking.feed(piece)))

    def finish(self) -> str:
        """The end of the text: return the last sentence, if it may be shown."""
        rest = self._segments.feed(self._thinking.finish())
        return self._pass([*rest, *self._segments.finish()])

    def _pass(self, segments: Iterable[str]) -> str:
        return "".join([self._shown(segment) for segment in segments])

    def _shown(self, segment: str) -> str:
        sentence = self._judged(segment)
        shown = ""
        if sentence:
            shown = self._joint(sentence) + sentence
            self._written_last, self._line_ended = sentence[-1], False
            # A citation hides what the sentence ended with.
            self._written_last = (_CITATION.sub("", sentence).rstrip() or sentence)[-1]
        self._line_ended = self._line_ended or segment[-1:] in LINE_ENDS
        return shown

    def _judged(self, segment: str) -> str:
        """The cleaned sentence, or nothing if it must not be shown."""
        sentence = clean(segment, self._allowed)
        if not sentence:
            return ""
        if _NO_ANSWER.match(sentence):
            self.declined = True
        elif not cited_numbers(sentence):
            self.tally.uncited += 1
        elif not self._guard.passes(sentence):
            self.tally.forbidden += 1
        elif _says_something(sentence):
            self.tally.kept += 1
            return sentence
        return ""

    def _joint(self, sentence: str) -> str:
        if not self._written_last:
            return ""
        if self._line_ended:
            return "\n"
        return "" if self._written_last in _WIDE_ENDS and ord(sentence[0]) > 0x2E80 else " "


def clean(segment: str, allowed: Set[int]) -> str:
    """One segment on one line, without markup, addresses or citations of anything that is not `allowed`.

    Cleaning twice changes nothing more.
    """
    text = visible(segment)
    for _ in range(_ROUNDS):
        before = text
        text = without_addresses(without_markup(checked(text, allowed)))
        text = _BLANKS.sub(" ", text).strip()
        if text == before:
            return text
    return ""


def _says_something(sentence: str) -> bool:
    return any(character.isalnum() for character in _CITATION.sub("", sentence))
