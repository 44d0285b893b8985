"""Messages of the encoder to domain types and back."""

from __future__ import annotations

import numpy as np
from imagerag.v1 import encoder_pb2, types_pb2

from services.common.clients.encoder import Lane, Space, TextRole
from services.common.domain import Vector
from services.common.errors import ImageragError, InvalidRequestError
from services.common.rpc.tensors import tensor_to_proto
from services.encoder.backends.backend import TextSpaceDescription
from services.encoder.inputs import Input, Picture, PreparedPicture, Text
from services.encoder.service import Encoded, EncoderService
from services.encoder.streaming import StreamInput, StreamOutcome

Request = encoder_pb2.EncodeImagesRequest | encoder_pb2.EncodeTextsRequest | encoder_pb2.EncodeStreamRequest
_WIRE = np.dtype("<f4")
LANES = {encoder_pb2.LANE_INTERACTIVE: Lane.INTERACTIVE, encoder_pb2.LANE_BULK: Lane.BULK}


def role(value: encoder_pb2.TextRole.ValueType) -> TextRole:
    """The role of a text; unspecified: a query."""
    return TextRole.PASSAGE if value == encoder_pb2.TEXT_ROLE_PASSAGE else TextRole.QUERY


def space(value: encoder_pb2.Space.ValueType) -> Space:
    """The space of a text; unspecified: the joint one."""
    return Space.SEMANTIC if value == encoder_pb2.SPACE_SEMANTIC else Space.JOINT


def stream_input(sent: encoder_pb2.StreamInput) -> StreamInput:
    """An input of a stream; one without content becomes its error."""
    return StreamInput(sent.id, _content(sent))


def _content(sent: encoder_pb2.StreamInput) -> Input | ImageragError:
    chosen = sent.WhichOneof("input")
    if chosen == "image":
        return Picture(sent.image)
    if chosen == "pixels":
        return PreparedPicture(sent.pixels, sent.preprocessing)
    if chosen == "text":
        return Text(sent.text.text, role(sent.text.role), space(sent.text.space))
    return InvalidRequestError("The input is empty. Set one of image, pixels and text.")


def outcome(became: StreamOutcome) -> encoder_pb2.StreamOutcome:
    """What became of an input of a stream."""
    if isinstance(became.result, ImageragError):
        return encoder_pb2.StreamOutcome(id=became.number, error=_part_error(became.result))
    return encoder_pb2.StreamOutcome(id=became.number, vector=_bytes(became.result))


def _bytes(vector: Vector) -> bytes:
    return np.ascontiguousarray(vector, dtype=_WIRE).tobytes()


def response(encoded: Encoded) -> encoder_pb2.EncodeResponse:
    """The answer to a call."""
    return encoder_pb2.EncodeResponse(
        vectors=tensor_to_proto(encoded.vectors),
        errors={index: _part_error(error) for index, error in encoded.errors.items()},
        fingerprint=encoded.fingerprint,
    )


def description(service: EncoderService) -> encoder_pb2.DescribeResponse:
    """What is served, and within which limits."""
    served, inputs, semantic = service.models.joint, service.models.limits, service.models.semantic
    return encoder_pb2.DescribeResponse(
        model=served.model,
        fingerprint=served.fingerprint,
        dim=served.dim,
        max_batch_items=service.limits.call_items,
        max_image_bytes=inputs.images.max_bytes,
        max_image_pixels=inputs.images.max_pixels,
        device=served.device,
        precision=served.precision,
        noise_floors={direction.value: floor for direction, floor in served.card.noise_floors.items()},
        text_is_sentence_space=served.card.text_is_sentence_space,
        notice=served.card.notice,
        preprocessing=encoder_pb2.Preprocessing(
            digest=served.preprocessing.digest,
            fit=served.preprocessing.fit,
            side_px=served.preprocessing.side_px,
            resample=served.preprocessing.resample,
        ),
        max_text_tokens=served.max_text_tokens,
        max_text_chars=inputs.text_chars,
        queue_limit_items={lane.name.lower(): bound.items for lane, bound in service.admission.limits.items()},
        bulk_batch_s=service.limits.bulk_batch_s,
        semantic=None if semantic is None else _text_space(semantic),
    )


def _text_space(served: TextSpaceDescription) -> encoder_pb2.TextSpace:
    return encoder_pb2.TextSpace(
        model=served.model,
        fingerprint=served.fingerprint,
        dim=served.dim,
        max_text_tokens=served.max_text_tokens,
        noise_floor=served.noise_floor or 0.0,
        notice=served.notice,
    )


def _part_error(error: ImageragError) -> types_pb2.PartError:
    return types_pb2.PartError(code=error.code, message=error.message, retryable=error.retryable)
