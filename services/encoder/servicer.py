"""gRPC to domain and back; nothing else."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc
from imagerag.v1 import encoder_pb2, encoder_pb2_grpc

from services.common.clients.encoder import Lane
from services.common.errors import InvalidRequestError
from services.encoder import wire
from services.encoder.service import Caller, EncoderService
from services.encoder.streaming import StreamInput

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]


class EncoderServicer(encoder_pb2_grpc.EncoderServicer):
    """See `protos/imagerag/v1/encoder.proto`."""

    def __init__(self, service: EncoderService) -> None:
        self._service = service

    async def EncodeImages(  # noqa: N802
        self, request: encoder_pb2.EncodeImagesRequest, context: Context
    ) -> encoder_pb2.EncodeResponse:
        """Pictures to vectors."""
        caller = _caller(request, context, Lane.INTERACTIVE)
        if not request.HasField("prepared"):
            return wire.response(await self._service.encode_images(request.images, caller))
        if request.images:
            raise InvalidRequestError(
                "The call has both images and prepared pictures. Send them in two calls: the rows of the answer "
                "are numbered as one list."
            )
        prepared = request.prepared
        return wire.response(await self._service.encode_prepared(prepared.pixels, prepared.preprocessing, caller))

    async def EncodeTexts(  # noqa: N802
        self, request: encoder_pb2.EncodeTextsRequest, context: Context
    ) -> encoder_pb2.EncodeResponse:
        """Texts to vectors."""
        caller = _caller(request, context, Lane.INTERACTIVE)
        role, space = wire.role(request.role), wire.space(request.space)
        return wire.response(await self._service.encode_texts(request.texts, role, space, caller))

    async def EncodeStream(  # noqa: N802
        self, request_iterator: AsyncIterator[encoder_pb2.EncodeStreamRequest], context: Context
    ) -> AsyncIterator[encoder_pb2.EncodeStreamResponse]:
        """Inputs to vectors, as they are ready."""
        requests = aiter(request_iterator)
        first = await anext(requests, None)
        if first is None:
            return
        stream = self._service.open_stream(_caller(first, context, Lane.BULK))
        # At once: callers send nothing more before they know that they are taken on, and by whom.
        yield encoder_pb2.EncodeStreamResponse(fingerprint=self._service.models.joint.fingerprint)
        async with aclosing(stream.outcomes(_messages(first, requests))) as batches:
            async for outcomes in batches:
                yield encoder_pb2.EncodeStreamResponse(outcomes=map(wire.outcome, outcomes))

    async def Describe(  # noqa: N802
        self, request: encoder_pb2.DescribeRequest, context: Context
    ) -> encoder_pb2.DescribeResponse:
        """What is served."""
        return wire.description(self._service)


async def _messages(
    first: encoder_pb2.EncodeStreamRequest, others: AsyncIterator[encoder_pb2.EncodeStreamRequest]
) -> AsyncIterator[list[StreamInput]]:
    yield [wire.stream_input(sent) for sent in first.inputs]
    async for request in others:
        yield [wire.stream_input(sent) for sent in request.inputs]


def _caller(request: wire.Request, context: Context, lane: Lane) -> Caller:
    """Who asks; `lane` where the request does not say it."""
    within_s = context.time_remaining()
    if within_s is None:
        within_s = math.inf
    return Caller(
        lane=wire.LANES.get(request.lane, lane),
        expected_fingerprint=request.context.expected_fingerprint,
        expires_s=time.monotonic() + within_s,
        within_s=within_s,
    )
