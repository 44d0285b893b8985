"""The use case: inputs in, vectors out, one bad input failing alone."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from services.common.clients.encoder import Lane, Space, TextRole
from services.common.domain import Vector
from services.common.errors import DeadlineError, FingerprintMismatchError, ImageragError, PayloadTooLargeError
from services.encoder.admission import Admission, LaneRoom
from services.encoder.batching.item import Item, Result
from services.encoder.inputs import Input, Models, Picture, PreparedPicture, Text, size_bytes
from services.encoder.metrics import FAILED_ITEMS
from services.encoder.pipeline import Pipeline
from services.encoder.streaming import InputStream


@dataclass(frozen=True)
class ServiceLimits:
    """What one call may hold.

    Attributes:
        call_items: Most inputs of one call.
        stream_items: Most inputs of one stream that are read and not answered yet.
        bulk_batch_s: How long a batch of bulk work may keep the model from a person.
    """

    call_items: int
    stream_items: int
    bulk_batch_s: float


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        lane: Whether a person waits.
        expected_fingerprint: The contract of the space; empty: any.
        expires_s: When the caller stops waiting, by `time.monotonic`.
        within_s: How long that is from now.
    """

    lane: Lane
    expected_fingerprint: str = ""
    expires_s: float = math.inf
    within_s: float = math.inf


@dataclass(frozen=True)
class Encoded:
    """The answer to one call.

    Attributes:
        vectors: float32, shape [n, dim], row i for input i; the rows of failed inputs are zero.
        errors: Failed inputs by index.
        fingerprint: Of their space.
    """

    vectors: Vector
    errors: Mapping[int, ImageragError]
    fingerprint: str


class EncoderService:
    """Knows neither gRPC nor a model's framework.

    Args:
        models: What is served.
        pipeline: Computes.
        admission: Bounds what is inside.
        limits: See `ServiceLimits`.
    """

    def __init__(self, models: Models, pipeline: Pipeline, admission: Admission, limits: ServiceLimits) -> None:
        self.models, self.limits, self.admission = models, limits, admission
        self._pipeline = pipeline

    async def encode_images(self, images: Sequence[bytes], caller: Caller) -> Encoded:
        """Embed pictures in file formats.

        Raises:
            FingerprintMismatchError: Another contract is served.
            PayloadTooLargeError: More pictures than a call may hold.
            ExhaustedError: Too much is inside already.
            DeadlineError: The caller's time was up before all was computed.
        """
        return await self._encode(Space.JOINT, [Picture(data) for data in images], caller)

    async def encode_prepared(self, pixels: Sequence[bytes], digest: str, caller: Caller) -> Encoded:
        """Embed pictures that the caller has decoded and scaled; errors as in `encode_images`.

        Args:
            pixels: See `PreparedPicture`.
            digest: The preprocessing that made them; another one than ours is a FingerprintMismatchError.
            caller: Who asks.
        """
        self.models.check_digest(digest)
        return await self._encode(Space.JOINT, [PreparedPicture(data, digest) for data in pixels], caller)

    async def encode_texts(self, texts: Sequence[str], role: TextRole, space: Space, caller: Caller) -> Encoded:
        """Embed texts; errors as in `encode_images`, and UnimplementedError for a space that is not served."""
        return await self._encode(space, [Text(text, role, space) for text in texts], caller)

    def open_stream(self, caller: Caller) -> InputStream:
        """Begin to take any number of inputs.

        Raises:
            FingerprintMismatchError: Another contract is served.
        """
        self._check_fingerprint(Space.JOINT, caller)
        return InputStream(
            partial(self._item, caller=caller),
            self._pipeline,
            self.admission[caller.lane],
            self.limits.stream_items,
        )

    async def _encode(self, space: Space, inputs: Sequence[Input], caller: Caller) -> Encoded:
        served = self.models.space(space)
        self._check_fingerprint(space, caller)
        if len(inputs) > self.limits.call_items:
            raise PayloadTooLargeError(
                f"The call has {len(inputs)} inputs; at most {self.limits.call_items} are accepted. Split it."
            )
        results = await self._results(inputs, caller)
        late = next((result for result in results if isinstance(result, DeadlineError)), None)
        if late is not None:
            raise late
        vectors = np.zeros((len(results), served.dim), np.float32)
        errors: dict[int, ImageragError] = {}
        for index, result in enumerate(results):
            if isinstance(result, ImageragError):
                errors[index] = result
            else:
                vectors[index] = result
        return Encoded(vectors, errors, served.fingerprint)

    async def _results(self, inputs: Sequence[Input], caller: Caller) -> list[Result]:
        if not inputs:
            return []
        room = self.admission[caller.lane]
        room.enter(len(inputs), sum(map(size_bytes, inputs)), caller.within_s)
        answers = _Answers(len(inputs))
        items = [
            self._item(content, partial(answers.put, index), caller=caller) for index, content in enumerate(inputs)
        ]
        try:
            self._pipeline.submit([item for item in items if item is not None])
            return await answers.all()
        finally:
            self._pipeline.withdraw([item for item in items if item is not None])

    def _item(self, content: Input, answer: Callable[[Result], None], *, caller: Caller) -> Item | None:
        """An input for which there is room; None: it cannot be embedded and was answered at once."""
        leave = partial(_leave, self.admission[caller.lane], size_bytes(content))
        try:
            kind = self.models.kind(content)
        except ImageragError as error:
            leave(True)
            _counted(answer, error)
            return None
        return Item(kind, caller.lane, content, partial(_counted, answer), leave, caller.expires_s)

    def _check_fingerprint(self, space: Space, caller: Caller) -> None:
        served = self.models.space(space).fingerprint
        if caller.expected_fingerprint not in ("", served):
            raise FingerprintMismatchError.between(caller.expected_fingerprint, served)


class _Answers:
    """The results of one call, in the order of its inputs."""

    def __init__(self, items: int) -> None:
        self._results: list[Result | None] = [None] * items
        self._missing = items
        self._complete = asyncio.Event()

    def put(self, index: int, result: Result) -> None:
        self._results[index] = result
        self._missing -= 1
        if not self._missing:
            self._complete.set()

    async def all(self) -> list[Result]:
        await self._complete.wait()
        return [result for result in self._results if result is not None]


def _leave(room: LaneRoom, size: int, answered: bool) -> None:
    room.leave(size, answered=answered)


def _counted(answer: Callable[[Result], None], result: Result) -> None:
    if isinstance(result, ImageragError):
        FAILED_ITEMS.labels(result.code).inc()
    answer(result)
