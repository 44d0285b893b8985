"""The second phase, at the encoder: one stream of pictures and texts for each message, vectors chunk by chunk."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Literal

from services.common.clients.encoder import Lane, Space, TextRole
from services.common.clients.encoder_inputs import Encoded, TextInput
from services.common.domain import Vector
from services.common.embeddings.cached_stream import Sought
from services.common.embeddings.keys import image_key_of, normalised, text_key
from services.common.errors import ImageragError
from services.common.telemetry.tracing import span
from workers.ingest.ports import Encoder
from workers.ingest.reading import Taken
from workers.ingest.target import Target
from workers.metrics import STAGE_SECONDS


class Part(Enum):
    """What of a line a vector is made of."""

    PICTURE = auto()
    TEXT = auto()


Key = tuple[int, Part]
"""Number of a line, and which of its parts."""


@dataclass(frozen=True)
class JointVectors:
    """A line's vectors in the joint space; None where it has nothing to make one of.

    Attributes:
        image: Shape (dim,), float32, unit length.
        text: The same.
    """

    image: Vector | None = None
    text: Vector | None = None


@dataclass(frozen=True)
class Encoding:
    """A line that went through the encoder.

    Attributes:
        taken: The line.
        vectors: What came of it, or why nothing did.
    """

    taken: Taken
    vectors: JointVectors | ImageragError


@dataclass
class _Chunk:
    lines: Sequence[Taken]
    sought: Sequence[Sought[Key]]
    sent_at_s: float = field(default_factory=time.perf_counter)
    found: dict[Key, Encoded] = field(default_factory=dict)

    def is_complete(self) -> bool:
        return len(self.found) == len(self.sought)

    def encodings(self) -> list[Encoding]:
        STAGE_SECONDS.labels("encode").observe(time.perf_counter() - self.sent_at_s)
        return [Encoding(line, self._vectors(line.numbered.number)) for line in self.lines]

    def _vectors(self, number: int) -> JointVectors | ImageragError:
        image, text = self.found.get((number, Part.PICTURE)), self.found.get((number, Part.TEXT))
        if isinstance(image, ImageragError):
            return image
        return text if isinstance(text, ImageragError) else JointVectors(image, text)


def lane_of(queue: Literal["interactive", "bulk"]) -> Lane:
    """The encoder's lane for a job's queue."""
    return Lane.INTERACTIVE if queue == "interactive" else Lane.BULK


async def encoded(
    encoder: Encoder, chunks: AsyncIterable[Sequence[Taken]], target: Target, lane: Lane
) -> AsyncGenerator[list[Encoding], None]:
    """Send chunks to the encoder as they come, and hand on those whose vectors are all there, in order.

    However full the encoder is: chunks are then taken more slowly, and nothing fails.

    Args:
        encoder: Does the work.
        chunks: Lines that were read.
        target: Where they go.
        lane: Who waits.

    Raises:
        ImageragError: The encoder cannot work now.
    """
    stream = _ChunkStream(chunks, target.fingerprint)
    with span("encode"):
        async with aclosing(
            encoder.encode_stream(stream.sought(), expected_fingerprint=target.fingerprint, lane=lane)
        ) as outcomes:
            async for (number, part), found in outcomes:
                stream.put(number, part, found)
                while stream.has_next():
                    yield stream.next()
        while stream.has_next():
            yield stream.next()


class _ChunkStream:
    """Cuts chunks into inputs, and puts their outcomes together again."""

    def __init__(self, chunks: AsyncIterable[Sequence[Taken]], fingerprint: str) -> None:
        self._chunks, self._fingerprint = chunks, fingerprint
        self._sent: deque[_Chunk] = deque()
        self._by_line: dict[int, _Chunk] = {}

    async def sought(self) -> AsyncIterator[Sequence[Sought[Key]]]:
        async for lines in self._chunks:
            chunk = _Chunk(lines, [each for line in lines for each in _sought(line, self._fingerprint)])
            self._sent.append(chunk)
            self._by_line.update(dict.fromkeys((line.numbered.number for line in lines), chunk))
            yield chunk.sought

    def put(self, number: int, part: Part, found: Encoded) -> None:
        self._by_line[number].found[number, part] = found

    def has_next(self) -> bool:
        return bool(self._sent) and self._sent[0].is_complete()

    def next(self) -> list[Encoding]:
        chunk = self._sent.popleft()
        for line in chunk.lines:
            del self._by_line[line.numbered.number]
        return chunk.encodings()


def _sought(line: Taken, fingerprint: str) -> list[Sought[Key]]:
    number, media = line.numbered.number, line.item.media
    wanted: list[Sought[Key]] = []
    if line.content is not None and media is not None:
        wanted.append(Sought((number, Part.PICTURE), image_key_of(fingerprint, media.sha256), line.content))
    text = normalised(line.item.embedded_text())
    if text:
        name = text_key(fingerprint, text, TextRole.PASSAGE, Space.JOINT)
        wanted.append(Sought((number, Part.TEXT), name, TextInput(text, TextRole.PASSAGE, Space.JOINT)))
    return wanted
