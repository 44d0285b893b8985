"""The encoder as its callers see it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from typing import TypeVar

import grpc
from imagerag.v1 import encoder_pb2, encoder_pb2_grpc, types_pb2

from services.common.clients.encoder_description import EncoderDescription, description_from_proto
from services.common.clients.encoder_inputs import Encoded, EncoderInput, Lane, Space, TextRole
from services.common.clients.encoder_stream import Requests, answered
from services.common.clients.stream_window import StreamBounds
from services.common.errors import DeadlineError, rebuild
from services.common.media.preprocessing import Pixels
from services.common.rpc.channel import call_metadata, unary
from services.common.rpc.client import RpcClient
from services.common.rpc.server import LAST_CALLS_S
from services.common.rpc.tensors import tensor_from_proto

K = TypeVar("K")
__all__ = ["EncoderClient", "EncoderDescription", "Lane", "Space", "TextRole"]
_FIRST_SHARE = 0.25
_USUAL_BOUNDS = StreamBounds()


class EncoderClient(RpcClient):
    """Calls one encoder, or every replica behind one name."""

    health_name = encoder_pb2.DESCRIPTOR.services_by_name["Encoder"].full_name

    @property
    def _stub(self) -> encoder_pb2_grpc.EncoderAsyncStub:
        return encoder_pb2_grpc.EncoderStub(self.channel)

    async def describe(self, *, deadline_s: float | None = None) -> EncoderDescription:
        """Ask what is served; after a quarter of the time ask once more, for a replica that hangs says nothing."""
        within_s = deadline_s or self._deadline_s
        try:
            return await self._describe(within_s * _FIRST_SHARE)
        except DeadlineError:
            return await self._describe(within_s * (1 - _FIRST_SHARE))

    async def _describe(self, deadline_s: float) -> EncoderDescription:
        call = self._stub.Describe(encoder_pb2.DescribeRequest(), timeout=deadline_s, metadata=call_metadata())
        return description_from_proto(await unary("encoder", call))

    async def encode_images(
        self,
        images: Sequence[bytes],
        *,
        lane: Lane,
        expected_fingerprint: str,
        deadline_s: float | None = None,
    ) -> list[Encoded]:
        """Pictures to unit vectors, shape (dim,) float32 each; a bad picture gives its error in its place.

        Args:
            images: Encoded bytes, at most `max_batch_items`.
            lane: Who waits for it.
            expected_fingerprint: The contract of the collection.
            deadline_s: Longest wait for this call.

        Raises:
            FingerprintMismatchError: The encoder serves another contract.
            ExhaustedError: Its queue is full.
            UnavailableError: It does not answer.
        """
        request = encoder_pb2.EncodeImagesRequest(
            context=_context(expected_fingerprint), images=images, lane=lane.value
        )
        return await self._encode_images(request, deadline_s)

    async def encode_prepared(
        self,
        pixels: Sequence[Pixels],
        *,
        preprocessing: str,
        lane: Lane,
        expected_fingerprint: str,
        deadline_s: float | None = None,
    ) -> list[Encoded]:
        """Pictures that are decoded and scaled already; other arguments, result and errors as in `encode_images`.

        Args:
            pixels: Each uint8, shape [3, side_px, side_px], see `encoder_preparer`.
            preprocessing: Digest of what made them; another one than the encoder's is refused.
        """
        prepared = encoder_pb2.PreparedImages(
            preprocessing=preprocessing, pixels=[each.tobytes() for each in pixels]
        )
        request = encoder_pb2.EncodeImagesRequest(
            context=_context(expected_fingerprint), prepared=prepared, lane=lane.value
        )
        return await self._encode_images(request, deadline_s)

    async def _encode_images(
        self, request: encoder_pb2.EncodeImagesRequest, deadline_s: float | None
    ) -> list[Encoded]:
        call = self._stub.EncodeImages(request, timeout=deadline_s or self._deadline_s, metadata=call_metadata())
        return _parts(await unary("encoder", call))

    async def encode_texts(
        self,
        texts: Sequence[str],
        *,
        role: TextRole,
        lane: Lane,
        expected_fingerprint: str,
        space: Space = Space.JOINT,
        deadline_s: float | None = None,
    ) -> list[Encoded]:
        """Texts to unit vectors; other arguments and errors as in `encode_images`.

        Args:
            texts: At most `max_batch_items`.
            role: Whether they are asked or stored.
            space: Which space the vectors are to be in; the expected fingerprint is that of this space.
        """
        request = encoder_pb2.EncodeTextsRequest(
            context=_context(expected_fingerprint),
            texts=texts,
            role=role.value,
            lane=lane.value,
            space=space.value,
        )
        call = self._stub.EncodeTexts(request, timeout=deadline_s or self._deadline_s, metadata=call_metadata())
        return _parts(await unary("encoder", call))

    def encode_stream(
        self,
        inputs: AsyncIterable[tuple[K, EncoderInput]],
        *,
        expected_fingerprint: str,
        lane: Lane = Lane.BULK,
        progress_s: float | None = None,
        bounds: StreamBounds = _USUAL_BOUNDS,
    ) -> AsyncGenerator[tuple[K, Encoded], None]:
        """Any number of inputs to unit vectors, each as soon as it is ready, in no order.

        Inputs are taken from the source only as fast as outcomes are taken away, and each gets exactly one. A call
        that breaks is continued on another replica, with those inputs alone that have no outcome yet. Closing the
        generator ends the work at the encoder too.

        Args:
            inputs: Pictures, prepared pictures and texts, each under a key that its outcome comes back with.
            expected_fingerprint: The contract of the collection, for pictures and joint texts; empty: whatever the
                first replica serves.
            lane: Who waits for it.
            progress_s: Longest time without an outcome while inputs wait for theirs; None: the client's deadline.
            bounds: How much the stream may hold at once.

        Yields:
            The key and vector of an input, shape (dim,) float32, or its own error.

        Raises:
            FingerprintMismatchError: A replica serves another contract.
            DeadlineError: No outcome came for `progress_s`.
            ExhaustedError: So long, replicas took no more work on.
            UnavailableError: So long, none answered.
        """
        head = encoder_pb2.EncodeStreamRequest(context=_context(expected_fingerprint), lane=lane.value)
        return answered(inputs, self._open_stream, head, bounds, progress_s or self._deadline_s)

    def _open_stream(
        self, requests: Requests
    ) -> grpc.aio.StreamStreamCall[encoder_pb2.EncodeStreamRequest, encoder_pb2.EncodeStreamResponse]:
        return self._stub.EncodeStream(requests, timeout=LAST_CALLS_S, metadata=call_metadata())


def _context(expected_fingerprint: str) -> types_pb2.RequestContext:
    return types_pb2.RequestContext(expected_fingerprint=expected_fingerprint)


def _parts(answer: encoder_pb2.EncodeResponse) -> list[Encoded]:
    parts: list[Encoded] = list(tensor_from_proto(answer.vectors))
    for index, part in answer.errors.items():
        parts[index] = rebuild(part.code, part.message)
    return parts
