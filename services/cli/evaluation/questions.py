"""What is asked of the system, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

KEY_PREFIX = "imagerag-eval/"
"""Keeps the items of an evaluation apart from those that may be in the system already."""
MARK = "imagerag_eval"
"""The metadata field that the searches of an evaluation filter by; metadata is not searched for words."""
_AT_ONCE = 4


class Searcher(Protocol):
    """A system that can be searched over REST."""

    def search(self, query: Mapping[str, Any], picture: bytes | None = None) -> Mapping[str, Any]:
        """Find items; `query` and the answer as in `POST /v1/search`."""


@dataclass(frozen=True)
class Question:
    """One query of an evaluation.

    Attributes:
        own: Key of the stamp that it was made from.
        text: Words; empty for a picture alone.
        picture: File to ask with; None for words alone.
    """

    own: str
    text: str = ""
    picture: Path | None = None


@dataclass(frozen=True)
class Options:
    """How questions are asked.

    Attributes:
        legs: Weight of each leg; None: the system's defaults.
        rrf_k: Constant of the fusion; None: the system's default.
        limit: Most hits.
    """

    legs: Mapping[str, float] | None = None
    rrf_k: float | None = None
    limit: int = 10


@dataclass(frozen=True)
class Answer:
    """What the system found.

    Attributes:
        ranked: Keys of the stamps, best first.
        shown: Those of them that the system holds for relevant: what a person gets to see.
    """

    question: Question
    ranked: tuple[str, ...]
    shown: tuple[str, ...]


def ask(
    searcher: Searcher, questions: Sequence[Question], options: Options, advance: Callable[[], None]
) -> list[Answer]:
    """Ask all questions, a few at once; hits below their noise floors count too, behind the others.

    Args:
        searcher: Used from several threads.
        questions: Answered in their order.
        options: The same for all.
        advance: Called after each answer, from several threads.
    """

    def one(question: Question) -> Answer:
        picture = None if question.picture is None else question.picture.read_bytes()
        answer = to_answer(question, searcher.search(query_of(question, options), picture))
        advance()
        return answer

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(one, questions))


def query_of(question: Question, options: Options) -> dict[str, Any]:
    """The JSON of a search."""
    query: dict[str, Any] = {
        "text": question.text,
        "limit": options.limit,
        "filter": {MARK: True},
        "include_irrelevant": True,
    }
    if options.legs is not None:
        query["legs"] = dict(options.legs)
    if options.rrf_k is not None:
        query["rrf_k"] = options.rrf_k
    return query


def to_answer(question: Question, document: Mapping[str, Any]) -> Answer:
    """Read the JSON of a search's answer."""
    hits = [(str(hit["item"]["key"]).removeprefix(KEY_PREFIX), bool(hit["relevant"])) for hit in document["hits"]]
    return Answer(
        question=question,
        ranked=tuple(key for key, _ in hits),
        shown=tuple(key for key, relevant in hits if relevant),
    )
