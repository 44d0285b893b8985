"""The encoder as its callers see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from imagerag.v1 import encoder_pb2, encoder_pb2_grpc, types_pb2

from services.common.domain import Direction, Vector
from services.common.errors import DeadlineError, ImageragError, rebuild
from services.common.rpc.channel import call_metadata, unary
from services.common.rpc.client import RpcClient
from services.common.rpc.tensors import tensor_from_proto

_FIRST_SHARE = 0.25


class Lane(Enum):
    """Which queue of the encoder the work waits in."""

    INTERACTIVE = encoder_pb2.LANE_INTERACTIVE
    BULK = encoder_pb2.LANE_BULK


class TextRole(Enum):
    """What a text is to be compared with."""

    QUERY = encoder_pb2.TEXT_ROLE_QUERY
    PASSAGE = encoder_pb2.TEXT_ROLE_PASSAGE


class Space(Enum):
    """Which space a text is embedded in."""

    JOINT = encoder_pb2.SPACE_JOINT
    SEMANTIC = encoder_pb2.SPACE_SEMANTIC


@dataclass(frozen=True)
class EncoderDescription:
    """What an encoder serves.

    Attributes:
        model: Hub id, folder name or "starter".
        fingerprint: Names model, weights, preprocessing and precision class.
        dim: Length of every vector.
        max_batch_items: Most inputs of one call.
        noise_floors: Score that at least 95 % of unrelated pairs stay below; absent where it was not measured.
        text_is_sentence_space: Text vectors serve text to text as well.
        notice: A sentence for a person.
    """

    model: str
    fingerprint: str
    dim: int
    max_batch_items: int
    noise_floors: Mapping[Direction, float]
    text_is_sentence_space: bool
    notice: str


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
        answer = await unary("encoder", call)
        known = {direction.value for direction in Direction}
        return EncoderDescription(
            model=answer.model,
            fingerprint=answer.fingerprint,
            dim=answer.dim,
            max_batch_items=answer.max_batch_items,
            noise_floors={Direction(name): floor for name, floor in answer.noise_floors.items() if name in known},
            text_is_sentence_space=answer.text_is_sentence_space,
            notice=answer.notice,
        )

    async def encode_images(
        self,
        images: Sequence[bytes],
        *,
        lane: Lane,
        expected_fingerprint: str,
        deadline_s: float | None = None,
    ) -> list[Vector | ImageragError]:
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
            context=types_pb2.RequestContext(expected_fingerprint=expected_fingerprint),
            images=images,
            lane=lane.value,
        )
        call = self._stub.EncodeImages(request, timeout=deadline_s or self._deadline_s, metadata=call_metadata())
        return _parts(await unary("encoder", call))

    async def encode_texts(
        self,
        texts: Sequence[str],
        *,
        role: TextRole,
        lane: Lane,
        expected_fingerprint: str,
        deadline_s: float | None = None,
    ) -> list[Vector | ImageragError]:
        """Texts to unit vectors of the same space; arguments and errors as in `encode_images`."""
        request = encoder_pb2.EncodeTextsRequest(
            context=types_pb2.RequestContext(expected_fingerprint=expected_fingerprint),
            texts=texts,
            role=role.value,
            lane=lane.value,
        )
        call = self._stub.EncodeTexts(request, timeout=deadline_s or self._deadline_s, metadata=call_metadata())
        return _parts(await unary("encoder", call))


def _parts(answer: encoder_pb2.EncodeResponse) -> list[Vector | ImageragError]:
    parts: list[Vector | ImageragError] = list(tensor_from_proto(answer.vectors))
    for index, part in answer.errors.items():
        parts[index] = rebuild(part.code, part.message)
    return parts
