"""Questions and answers in JSON."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from services.common.answer import Citation, Completion
from services.gateway.schemas.base import ResponseModel
from services.gateway.schemas.items import PositionModel, position_model
from services.gateway.schemas.search import TEXT_LIMIT_CHARS, HitModel, SearchOptions


class AskRequest(SearchOptions):
    """A question; with a picture, the `query` part of a multipart body."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"question": "Which dresses are red?"}]})

    question: str = Field(default="", max_length=TEXT_LIMIT_CHARS)
    language: str = Field(default="", max_length=35, pattern=r"^([A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*)?$")
    """BCP 47, e.g. "en", "zh"; without it the question's own."""


class CitationModel(ResponseModel):
    """A source that the answer names as `[number]`; `number` is the rank of its hit."""

    number: int
    item_id: str
    quote: str
    position: PositionModel | None


class Answer(ResponseModel):
    """An answer without the hits it rests on."""

    answer: str
    citations: list[CitationModel]
    nothing_relevant: bool
    model: str


class AnswerWithHits(Answer):
    """An answer with the hits it rests on."""

    hits: list[HitModel]


def answer_model(completion: Completion) -> Answer:
    """The JSON form of `completion`."""
    return Answer(
        answer=completion.answer,
        citations=[_citation_model(citation) for citation in completion.citations],
        nothing_relevant=completion.nothing_relevant,
        model=completion.model,
    )


def _citation_model(citation: Citation) -> CitationModel:
    position = citation.position
    return CitationModel(
        number=citation.number,
        item_id=citation.item_id,
        quote=citation.quote,
        position=None if position is None else position_model(position),
    )
