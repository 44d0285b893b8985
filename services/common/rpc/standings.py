"""What stands under an id, to protobuf and back."""

from __future__ import annotations

from imagerag.v1 import retriever_pb2

from services.common.standing import Standing


def standing_to_proto(item_id: str, standing: Standing) -> retriever_pb2.InspectItemsResponse.Standing:
    """The message of what stands under `item_id`."""
    return retriever_pb2.InspectItemsResponse.Standing(
        id=item_id,
        revision=standing.revision,
        deleted=standing.deleted,
        job_id=standing.job_id,
        line=standing.line,
        vectors=sorted(standing.vectors),
        sha256=standing.sha256,
    )


def standing_from_proto(message: retriever_pb2.InspectItemsResponse.Standing) -> tuple[str, Standing]:
    """The id, and what stands under it."""
    return message.id, Standing(
        revision=message.revision,
        deleted=message.deleted,
        job_id=message.job_id,
        line=message.line,
        vectors=frozenset(message.vectors),
        sha256=message.sha256,
    )
