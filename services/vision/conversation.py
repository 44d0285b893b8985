"""What a call asks for, in plain types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PIL import Image

Role = Literal["user", "assistant"]


@dataclass(frozen=True)
class Turn:
    """One message.

    Attributes:
        parts: Texts and pictures in their order; of an assistant's turn texts alone.
    """

    role: Role
    parts: Sequence[str | Image.Image]


@dataclass(frozen=True)
class Wish:
    """One call.

    Attributes:
        turns: The conversation; the last one is the user's.
        answer_tokens: Most tokens of the answer.
        temperature: 0: the likeliest token each time.
        streams: The answer is wanted piece by piece.
    """

    turns: Sequence[Turn]
    answer_tokens: int
    temperature: float = 0.0
    streams: bool = False


@dataclass(frozen=True)
class Written:
    """What became of a call.

    Attributes:
        text: The whole answer.
        is_whole: False: tokens or time ran out.
        prompt_tokens: Read, pictures included.
        answer_tokens: Written.
    """

    text: str
    is_whole: bool
    prompt_tokens: int
    answer_tokens: int
