"""Vectors of the second text encoder, where the collection has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from services.common.clients.encoder import Lane, Space, TextRole
from services.common.clients.encoder_inputs import Encoded
from workers.ingest.patience import patiently
from workers.ingest.ports import Encoder
from workers.ingest.target import Target

MAX_CALL_BYTES = 32 * 1024 * 1024
"""Half of what one gRPC message may hold; a single text may be as large."""


def calls(sizes: Sequence[int], max_items: int, max_bytes: int) -> Iterator[range]:
    """Cut a list of inputs into calls, in order.

    Args:
        sizes: Bytes of each input.
        max_items: Most inputs of one call.
        max_bytes: Most bytes of one call; a single larger input is a call of its own.
    """
    start, held = 0, 0
    for index, size in enumerate(sizes):
        if index > start and (index - start == max_items or held + size > max_bytes):
            yield range(start, index)
            start, held = index, 0
        held += size
    if start < len(sizes):
        yield range(start, len(sizes))


async def meanings(
    encoder: Encoder, texts: Mapping[int, str], target: Target, lane: Lane, patience_s: float
) -> dict[int, Encoded]:
    """A vector or error for each text that has words; none if the collection has no such vectors.

    They are no part of the stream, which holds the encoder to the contract of the joint space alone.

    Args:
        encoder: Does the work.
        texts: By line.
        target: Where they go.
        lane: Who waits.
        patience_s: Longest wait for a full encoder.

    Raises:
        ImageragError: The encoder cannot work now.
    """
    fingerprint = target.fingerprint_of(Space.SEMANTIC)
    if fingerprint is None:
        return {}
    wanted = {line: text for line, text in texts.items() if text.strip()}
    lines, found = list(wanted), dict[int, Encoded]()
    for indices in calls([len(text.encode()) for text in wanted.values()], target.max_call_items, MAX_CALL_BYTES):
        part = [lines[index] for index in indices]
        encode = partial(
            encoder.encode_texts,
            [wanted[line] for line in part],
            role=TextRole.PASSAGE,
            lane=lane,
            expected_fingerprint=fingerprint,
            space=Space.SEMANTIC,
        )
        found.update(zip(part, await patiently(encode, patience_s), strict=True))
    return found
