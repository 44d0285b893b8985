"""A question's answer: the numbered sources it may rest on, and the citations it makes of them."""

from __future__ import annotations

from dataclasses import dataclass

from services.common.domain import Item, Position


@dataclass(frozen=True)
class Source:
    """One retrieved item, cited as `[number]`.

    Attributes:
        number: 1-based, unique in its request.
        relevant: What retrieval found; an irrelevant source is never cited.
        score: Fused score; orders the sources of one request only.
        matched_words: Words of the question that stand in the item's texts.
        image: Encoded picture for generators that look at pictures.
    """

    number: int
    item: Item
    relevant: bool
    score: float
    matched_words: tuple[str, ...] = ()
    image: bytes | None = None


@dataclass(frozen=True)
class Citation:
    """A source that the answer names, once however often it is named.

    Attributes:
        quote: The part of the source that the sentence rests on; empty for a picture without text.
        position: Where inside its document the item stands.
    """

    number: int
    item_id: str
    quote: str
    position: Position | None = None


@dataclass(frozen=True)
class Completion:
    """The end of an answer's stream.

    Attributes:
        answer: The whole text; every `[n]` in it is one of `citations`.
        nothing_relevant: No source was relevant, and the answer says so.
        model: Which generator wrote it: "extractive", or a model's name.
    """

    answer: str
    citations: tuple[Citation, ...]
    nothing_relevant: bool
    model: str
