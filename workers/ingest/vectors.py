"""The second phase, at the encoder: vectors of pictures and texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from services.common.clients.encoder import Lane, Space, TextRole
from services.common.domain import Vector
from services.common.errors import ImageragError
from workers.ingest.ports import Encoder

MAX_CALL_BYTES = 32 * 1024 * 1024
"""Half of what one gRPC message may hold; a single picture may be as large."""
Encoded = Vector | ImageragError


def lane_of(queue: Literal["interactive", "bulk"]) -> Lane:
    """The encoder's lane for a job's queue."""
    return Lane.INTERACTIVE if queue == "interactive" else Lane.BULK


def calls(sizes: Sequence[int], max_items: int, max_bytes: int) -> Iterator[range]:
    """Cut a list of pictures into calls, in order.

    Args:
        sizes: Bytes of each picture.
        max_items: Most pictures of one call.
        max_bytes: Most bytes of one call; a single larger picture is a call of its own.
    """
    start, held = 0, 0
    for index, size in enumerate(sizes):
        if index > start and (index - start == max_items or held + size > max_bytes):
            yield range(start, index)
            start, held = index, 0
        held += size
    if start < len(sizes):
        yield range(start, len(sizes))


async def encode_images(
    encoder: Encoder, images: Sequence[bytes], lane: Lane, fingerprint: str, max_items: int
) -> list[Encoded]:
    """One vector or error a picture, in order.

    Raises:
        ImageragError: The encoder cannot work now.
    """
    found: list[Encoded] = []
    for indices in calls([len(image) for image in images], max_items, MAX_CALL_BYTES):
        part = images[indices.start : indices.stop]
        found.extend(await encoder.encode_images(part, lane=lane, expected_fingerprint=fingerprint))
    return found


async def encode_texts(
    encoder: Encoder,
    texts: Sequence[str],
    lane: Lane,
    fingerprint: str,
    max_items: int,
    space: Space = Space.JOINT,
) -> list[Encoded]:
    """One vector or error a passage, in order; errors as in `encode_images`.

    Args:
        encoder: Does the work.
        texts: Passages.
        lane: Who waits.
        fingerprint: Expected, of the space.
        max_items: Most passages of one call.
        space: Which space the vectors are to be in.
    """
    found: list[Encoded] = []
    for indices in calls([len(text.encode()) for text in texts], max_items, MAX_CALL_BYTES):
        part = texts[indices.start : indices.stop]
        found.extend(
            await encoder.encode_texts(
                part, role=TextRole.PASSAGE, lane=lane, expected_fingerprint=fingerprint, space=space
            )
        )
    return found
