"""/v1/ask: an answer that cites what was found, at once or as it is written."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import structlog
from fastapi import APIRouter, Response
from starlette.requests import Request

from services.common.answer import Completion
from services.common.errors import ImageragError
from services.common.search import SearchQuery, SearchResult
from services.common.web.event_stream import EventStream, encode_event, while_listening
from services.gateway.asking import AnswerEvent, Asking
from services.gateway.openapi import pictured_body
from services.gateway.problems import problem_of
from services.gateway.routes.search import QUERY_PART, read_query
from services.gateway.schemas.answers import AnswerWithHits, AskRequest, answer_model
from services.gateway.schemas.base import parse
from services.gateway.schemas.search import hit_model, search_response
from services.gateway.state import Tenant, TheGateway

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/v1", tags=["ask"])
_EVENTS = "text/event-stream"


@router.post(
    "/ask",
    response_model=AnswerWithHits,
    responses={200: {"content": {_EVENTS: {"schema": {"type": "string"}}}}},
    openapi_extra=pictured_body(AskRequest, QUERY_PART),
)
async def ask(request: Request, gateway: TheGateway, tenant: Tenant) -> AnswerWithHits | Response:
    """Ask a question; `[n]` in the answer is the n-th hit.

    With `Accept: text/event-stream` the answer streams: `hits`, then `text` as it is written, then `done`, or
    `error` with a problem.
    """
    body = await read_query(request, gateway)
    asked = parse(AskRequest, body.document, where=QUERY_PART if body.picture is not None else "")
    query = asked.to_query(tenant, asked.question, body.picture)
    if _EVENTS in request.headers.get("accept", ""):
        return EventStream(_events(gateway.asking, query, asked.language))
    answering = gateway.asking.whole_answer(query, asked.language)
    # A model that writes for nobody costs as much as one that is read.
    result, completion = await while_listening(request.receive, answering)
    answer = answer_model(completion)
    return AnswerWithHits(**dict(answer), hits=[hit_model(hit) for hit in result.hits])


async def _events(asking: Asking, query: SearchQuery, language: str) -> AsyncGenerator[bytes, None]:
    answer = asking.answer(query, language)
    try:
        async for event in answer:
            yield _encode(event)
    except Exception as error:  # the response has begun: an event is the only way left to say it
        if not isinstance(error, ImageragError):
            log.error("answer_failed", exc_info=error)
        yield encode_event("error", problem_of(error).document())
    finally:
        await answer.aclose()


def _encode(event: AnswerEvent) -> bytes:
    match event:
        case SearchResult():
            return encode_event("hits", search_response(event).model_dump(mode="json"))
        case Completion():
            return encode_event("done", answer_model(event).model_dump(mode="json"))
        case _:
            return encode_event("text", {"text": event})
