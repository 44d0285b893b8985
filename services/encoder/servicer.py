"""gRPC to domain and back; nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from imagerag.v1 import encoder_pb2, encoder_pb2_grpc, types_pb2

from services.common.clients.encoder import Lane, TextRole
from services.common.rpc.tensors import tensor_to_proto
from services.encoder.service import Encoded, EncoderService

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
        encoded = await self._service.encode_images(
            request.images, _lane(request.lane), request.context.expected_fingerprint
        )
        return self._response(encoded)

    async def EncodeTexts(  # noqa: N802
        self, request: encoder_pb2.EncodeTextsRequest, context: Context
    ) -> encoder_pb2.EncodeResponse:
        """Texts to vectors."""
        role = TextRole.PASSAGE if request.role == encoder_pb2.TEXT_ROLE_PASSAGE else TextRole.QUERY
        encoded = await self._service.encode_texts(
            request.texts, role, _lane(request.lane), request.context.expected_fingerprint
        )
        return self._response(encoded)

    async def Describe(  # noqa: N802
        self, request: encoder_pb2.DescribeRequest, context: Context
    ) -> encoder_pb2.DescribeResponse:
        """What is served."""
        served, limits = self._service.description, self._service.limits
        return encoder_pb2.DescribeResponse(
            model=served.model,
            fingerprint=served.fingerprint,
            dim=served.dim,
            max_batch_items=limits.batch_items,
            max_image_bytes=limits.images.max_bytes,
            max_image_pixels=limits.images.max_pixels,
            device=served.device,
            precision=served.precision,
            noise_floors={direction.value: floor for direction, floor in served.card.noise_floors.items()},
            text_is_sentence_space=served.card.text_is_sentence_space,
            notice=served.card.notice,
        )

    def _response(self, encoded: Encoded) -> encoder_pb2.EncodeResponse:
        errors = {
            index: types_pb2.PartError(code=error.code, message=error.message, retryable=error.retryable)
            for index, error in encoded.errors.items()
        }
        return encoder_pb2.EncodeResponse(
            vectors=tensor_to_proto(encoded.vectors),
            errors=errors,
            fingerprint=self._service.description.fingerprint,
        )


def _lane(lane: encoder_pb2.Lane.ValueType) -> Lane:
    return Lane.BULK if lane == encoder_pb2.LANE_BULK else Lane.INTERACTIVE
