"""The use case: inputs in, vectors out, one bad input failing alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog

from services.common.clients.encoder import Lane, TextRole
from services.common.domain import Vector
from services.common.errors import (
    FingerprintMismatchError,
    ImageragError,
    InternalError,
    InvalidRequestError,
    PayloadTooLargeError,
)
from services.common.media.images import ImageLimits, decode_rgb
from services.common.media.preprocessing import Pixels, Preprocessing
from services.encoder.admission import Admission
from services.encoder.backends.backend import Backend, ModelDescription, embed_texts
from services.encoder.batching import Batcher, Result
from services.encoder.metrics import FAILED_ITEMS, PRE_SECONDS

log = structlog.get_logger(__name__)
IMAGE_KIND = "image"


@dataclass(frozen=True)
class EncoderLimits:
    """What one call and one input may hold.

    Attributes:
        batch_items: Most inputs of one call.
        text_chars: Longest text.
        images: What pictures are accepted.
    """

    batch_items: int
    text_chars: int
    images: ImageLimits


@dataclass(frozen=True)
class Encoded:
    """The answer to one call.

    Attributes:
        vectors: float32, shape [n, dim], row i for input i; the rows of failed inputs are zero.
        errors: Failed inputs by index.
    """

    vectors: Vector
    errors: Mapping[int, ImageragError]


class EncoderService:
    """Knows neither gRPC nor the model.

    Args:
        description: What is served.
        batcher: In front of the model.
        admission: Bounds what is inside.
        limits: See `EncoderLimits`.
        decoders: Threads that decode pictures, by lane.
    """

    def __init__(
        self,
        description: ModelDescription,
        batcher: Batcher,
        admission: Admission,
        limits: EncoderLimits,
        decoders: Mapping[Lane, Executor],
    ) -> None:
        self.description = description
        self.limits = limits
        self._batcher = batcher
        self._admission = admission
        self._decoders = decoders

    async def encode_images(self, images: Sequence[bytes], lane: Lane, expected_fingerprint: str) -> Encoded:
        """Embed pictures.

        Args:
            images: Encoded bytes.
            lane: Who waits.
            expected_fingerprint: The caller's contract; empty: any.

        Raises:
            FingerprintMismatchError: Another contract is served.
            PayloadTooLargeError: More pictures than a call may hold.
            ExhaustedError: Too much is inside already.
        """
        self._check(len(images), expected_fingerprint)
        with self._admission.admit(len(images)):
            return await self._gather([self._image(data, lane) for data in images])

    async def encode_texts(
        self, texts: Sequence[str], role: TextRole, lane: Lane, expected_fingerprint: str
    ) -> Encoded:
        """Embed texts; arguments and errors as in `encode_images`."""
        self._check(len(texts), expected_fingerprint)
        with self._admission.admit(len(texts)):
            return await self._gather([self._text(text, role, lane) for text in texts])

    def _check(self, items: int, expected_fingerprint: str) -> None:
        served = self.description.fingerprint
        if expected_fingerprint not in ("", served):
            raise FingerprintMismatchError.between(expected_fingerprint, served)
        if items > self.limits.batch_items:
            raise PayloadTooLargeError(
                f"The call has {items} inputs; at most {self.limits.batch_items} are accepted. Split it."
            )

    async def _gather(self, inputs: Sequence[Any]) -> Encoded:
        results = await asyncio.gather(*inputs)
        vectors = np.zeros((len(results), self.description.dim), np.float32)
        errors: dict[int, ImageragError] = {}
        for index, result in enumerate(results):
            if isinstance(result, ImageragError):
                errors[index] = result
                FAILED_ITEMS.labels(result.code).inc()
            else:
                vectors[index] = result
        return Encoded(vectors, errors)

    async def _image(self, data: bytes, lane: Lane) -> Result:
        loop = asyncio.get_running_loop()
        pixels = await loop.run_in_executor(
            self._decoders[lane], prepare, data, self.limits.images, self.description.preprocessing
        )
        if isinstance(pixels, ImageragError):
            return pixels
        return await self._batcher.submit(IMAGE_KIND, pixels, lane)

    async def _text(self, text: str, role: TextRole, lane: Lane) -> Result:
        if not text.strip():
            return InvalidRequestError("The text is empty. Send at least one word.")
        if len(text) > self.limits.text_chars:
            return InvalidRequestError(
                f"The text has {len(text):,} characters; at most {self.limits.text_chars:,} fit. Split it."
            )
        return await self._batcher.submit(role.name.lower(), text, lane)


def prepare(data: bytes, limits: ImageLimits, preprocessing: Preprocessing) -> Pixels | ImageragError:
    """Check, decode and scale one picture; runs on a decoding thread."""
    with PRE_SECONDS.time():
        try:
            return preprocessing(decode_rgb(data, limits, at_least_px=preprocessing.decode_px))
        except ImageragError as error:
            return error
        except Exception as error:
            log.error("preparing_failed", exc_info=error)
            return InternalError()


def compute_with(backend: Backend, threads: int, kind: str, payloads: Sequence[Any]) -> Vector:
    """Run one batch of one kind through the model.

    Args:
        backend: The model.
        threads: CPU threads for it.
        kind: `IMAGE_KIND` or the lower-case name of a `TextRole`.
        payloads: Prepared pictures or texts.
    """
    if kind == IMAGE_KIND:
        return backend.encode_images(payloads, threads)
    return embed_texts(backend, payloads, TextRole[kind.upper()], threads)
