"""Searches and hits between the domain and the wire."""

from __future__ import annotations

import json

from imagerag.v1 import retriever_pb2, types_pb2

from services.common.domain import Direction, JsonObject, LegName, TextField
from services.common.errors import InvalidFilterError, InvalidRequestError
from services.common.rpc.items import item_from_proto, item_to_proto
from services.common.search import DEFAULT_LIMIT, Hit, LegScore, SearchQuery, SearchResult

_TO_LEG = {
    LegName.IMAGE: retriever_pb2.LEG_IMAGE,
    LegName.TEXT: retriever_pb2.LEG_TEXT,
    LegName.BM25: retriever_pb2.LEG_BM25,
    LegName.SEMANTIC: retriever_pb2.LEG_SEMANTIC,
}
_FROM_LEG = {number: leg for leg, number in _TO_LEG.items()}
_FIELDS = frozenset(TextField)
"""A newer retriever may know others."""


def query_to_proto(query: SearchQuery) -> retriever_pb2.SearchRequest:
    """The wire form of a search."""
    return retriever_pb2.SearchRequest(
        context=types_pb2.RequestContext(tenant=query.tenant),
        query=retriever_pb2.Query(text=query.text, image=query.image or b""),
        limit=query.limit,
        filter_json=json.dumps(query.filter) if query.filter else "",
        legs=[
            retriever_pb2.LegSetting(leg=_TO_LEG[leg], weight=weight) for leg, weight in (query.legs or {}).items()
        ],
        rrf_k=query.rrf_k,
        include_irrelevant=query.include_irrelevant,
    )


def query_from_proto(tenant: str, request: retriever_pb2.SearchRequest) -> SearchQuery:
    """The search that a message asks for.

    Raises:
        InvalidRequestError: A leg is unknown, a filter is no JSON object, or audio is sent.
    """
    if request.query.audio:
        raise InvalidRequestError("Spoken queries are not understood yet: send text or a picture.")
    return SearchQuery(
        tenant=tenant,
        text=request.query.text,
        image=request.query.image or None,
        limit=request.limit or DEFAULT_LIMIT,
        filter=filter_from_json(request.filter_json),
        legs={_leg(s.leg): s.weight if s.HasField("weight") else 1.0 for s in request.legs} or None,
        rrf_k=request.rrf_k if request.HasField("rrf_k") else None,
        include_irrelevant=request.include_irrelevant,
    )


def filter_from_json(text: str) -> JsonObject:
    """A filter as it stands in a message.

    Raises:
        InvalidFilterError: Not a JSON object.
    """
    if not text:
        return {}
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidFilterError("filter_json is not JSON.") from None
    if not isinstance(parsed, dict):
        raise InvalidFilterError('filter_json is not a JSON object such as {"price": {"lte": 300}}.')
    return parsed


def result_to_proto(result: SearchResult) -> retriever_pb2.SearchResponse:
    """The wire form of a result."""
    return retriever_pb2.SearchResponse(
        hits=[_hit_to_proto(hit) for hit in result.hits],
        nothing_relevant=result.nothing_relevant,
        fingerprint=result.fingerprint,
        collection=result.collection,
        timings_ms=dict(result.timings_ms),
    )


def result_from_proto(tenant: str, response: retriever_pb2.SearchResponse) -> SearchResult:
    """The result that a message carries."""
    return SearchResult(
        hits=tuple(_hit_from_proto(tenant, hit) for hit in response.hits),
        nothing_relevant=response.nothing_relevant,
        fingerprint=response.fingerprint,
        collection=response.collection,
        timings_ms=dict(response.timings_ms),
    )


def _hit_to_proto(hit: Hit) -> retriever_pb2.Hit:
    return retriever_pb2.Hit(
        item=item_to_proto(hit.item),
        rank=hit.rank,
        score=hit.score,
        legs=[
            retriever_pb2.LegScore(
                leg=_TO_LEG[leg.leg],
                direction=leg.direction.value,
                rank=leg.rank,
                score=leg.score,
                noise_floor=leg.noise_floor,
                votes=leg.votes,
                contribution=leg.contribution,
            )
            for leg in hit.legs
        ],
        matched_words=hit.matched_words,
        relevant=hit.relevant,
        matched_in=hit.matched_in,
        holds_query=hit.holds_query,
    )


def _hit_from_proto(tenant: str, hit: retriever_pb2.Hit) -> Hit:
    return Hit(
        item=item_from_proto(tenant, hit.item),
        rank=hit.rank,
        score=hit.score,
        legs=tuple(
            LegScore(
                leg=_leg(leg.leg),
                direction=Direction(leg.direction),
                rank=leg.rank,
                score=leg.score,
                noise_floor=leg.noise_floor,
                votes=leg.votes,
                contribution=leg.contribution,
            )
            for leg in hit.legs
        ),
        matched_words=tuple(hit.matched_words),
        relevant=hit.relevant,
        matched_in=tuple(TextField(field) for field in hit.matched_in if field in _FIELDS),
        holds_query=hit.holds_query,
    )


def _leg(number: retriever_pb2.Leg.ValueType) -> LegName:
    if number not in _FROM_LEG:
        raise InvalidRequestError(f"Leg {number} is unknown.")
    return _FROM_LEG[number]
