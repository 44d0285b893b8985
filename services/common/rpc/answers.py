"""Sources and answers between the domain and the wire."""

from __future__ import annotations

from imagerag.v1 import generator_pb2

from services.common.answer import Citation, Completion, Source
from services.common.rpc.items import (
    box_to_proto,
    item_from_proto,
    item_to_proto,
    position_from_proto,
    position_to_proto,
)


def source_to_proto(source: Source) -> generator_pb2.Source:
    """The wire form of `source`."""
    return generator_pb2.Source(
        number=source.number,
        item=item_to_proto(source.item),
        relevant=source.relevant,
        score=source.score,
        matched_words=source.matched_words,
        image=source.image or b"",
    )


def source_from_proto(tenant: str, source: generator_pb2.Source) -> Source:
    """The source that a message of `tenant` describes.

    Raises:
        InvalidRequestError: See `services.common.rpc.items.item_from_proto`.
    """
    return Source(
        number=source.number,
        item=item_from_proto(tenant, source.item),
        relevant=source.relevant,
        score=source.score,
        matched_words=tuple(source.matched_words),
        image=source.image or None,
    )


def completion_to_proto(completion: Completion) -> generator_pb2.Completion:
    """The wire form of `completion`."""
    return generator_pb2.Completion(
        answer=completion.answer,
        citations=[_citation_to_proto(citation) for citation in completion.citations],
        nothing_relevant=completion.nothing_relevant,
        model=completion.model,
    )


def completion_from_proto(completion: generator_pb2.Completion) -> Completion:
    """The completion that a message describes."""
    return Completion(
        answer=completion.answer,
        citations=tuple(_citation_from_proto(citation) for citation in completion.citations),
        nothing_relevant=completion.nothing_relevant,
        model=completion.model,
    )


def _citation_to_proto(citation: Citation) -> generator_pb2.Citation:
    position = citation.position
    return generator_pb2.Citation(
        number=citation.number,
        item_id=citation.item_id,
        quote=citation.quote,
        box=None if position is None or position.box is None else box_to_proto(position.box),
        position=None if position is None else position_to_proto(position),
    )


def _citation_from_proto(citation: generator_pb2.Citation) -> Citation:
    position = position_from_proto(citation.position) if citation.HasField("position") else None
    return Citation(citation.number, citation.item_id, citation.quote, position)
