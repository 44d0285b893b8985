"""What must not be repeated to a reader: the key, the request's boundary, our own instructions."""

from __future__ import annotations

import re
from collections.abc import Iterable

from services.generator.grounding.segments import split_segments

_CITATION = re.compile(r"\[[0-9, ]*\]")
_MIN_INSTRUCTION_BYTES = 16
"""A shorter sentence of the instructions may stand in an honest answer. A Chinese character counts three."""


def squashed(text: str) -> str:
    """Letters and digits of `text` alone, in lower case: spacing a secret out does not hide it."""
    return "".join(character for character in text.casefold() if character.isalnum())


def instruction_sentences(instructions: str) -> list[str]:
    """The sentences that a model would repeat if it were asked for its instructions."""
    sentences = split_segments(instructions)
    return [sentence for sentence in sentences if len(squashed(sentence).encode()) >= _MIN_INSTRUCTION_BYTES]


class SecretGuard:
    """Says of each sentence whether it may follow those that were passed on.

    It finds a secret written out, spaced out, or split over sentences. It does not find one that is encoded; what
    a model is told is therefore worth nothing after the request, and the key is never told.

    Args:
        secrets: What must not be written; empty ones are ignored.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(found for secret in secrets if (found := squashed(secret)))
        self._tail_chars = max(map(len, self._secrets), default=1) - 1
        self._tail = ""

    def passes(self, sentence: str) -> bool:
        """Whether `sentence` may be shown; if so, it counts as shown."""
        written = self._tail + squashed(_CITATION.sub("", sentence))
        if any(secret in written for secret in self._secrets):
            return False
        self._tail = written[-self._tail_chars :] if self._tail_chars else ""
        return True
