"""What callers send, what the models take, and what lies between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog

from services.common.clients.encoder import Space, TextRole
from services.common.domain import Vector
from services.common.errors import (
    FingerprintMismatchError,
    ImageragError,
    InternalError,
    InvalidRequestError,
    UnimplementedError,
)
from services.common.media.images import ImageLimits, decode_rgb
from services.common.media.preprocessing import Pixels, Preprocessing
from services.encoder.backends.backend import Backend, ModelDescription, TextBackend, TextSpaceDescription
from services.encoder.kinds import Kind, text_kind

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in a file format."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PreparedPicture:
    """Model input that was made elsewhere.

    Attributes:
        pixels: uint8, shape [3, side_px, side_px], row by row.
        preprocessing: Digest of what made it.
    """

    pixels: bytes
    preprocessing: str


@dataclass(frozen=True, slots=True)
class Text:
    """A text to embed in a space."""

    text: str
    role: TextRole
    space: Space


Input = Picture | PreparedPicture | Text


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a model takes for one input.

    Attributes:
        payload: Pixels, or what the backend's `prepare_text` gave.
        length: Tokens of a text; 0 for pictures.
    """

    payload: Any
    length: int = 0


@dataclass(frozen=True)
class InputLimits:
    """What one input may hold.

    Attributes:
        text_chars: Longest text.
        images: What pictures are accepted.
    """

    text_chars: int
    images: ImageLimits


class Models:
    """The joint model and, where one is served, the second text encoder, seen as one.

    Args:
        joint: Embeds pictures and texts.
        semantic: Embeds texts in a space of their own; None: there is none.
        limits: See `InputLimits`.
    """

    def __init__(self, joint: Backend, semantic: TextBackend | None, limits: InputLimits) -> None:
        self._joint, self._semantic, self.limits = joint, semantic, limits

    @property
    def joint(self) -> ModelDescription:
        """What the joint model is."""
        return self._joint.description

    @property
    def semantic(self) -> TextSpaceDescription | None:
        """What the second text encoder is."""
        return None if self._semantic is None else self._semantic.description

    def space(self, space: Space) -> ModelDescription | TextSpaceDescription:
        """What serves a space.

        Raises:
            UnimplementedError: It is not served.
        """
        served = self.joint if space is Space.JOINT else self.semantic
        if served is None:
            raise UnimplementedError(
                "This encoder serves no second text encoder, so there is no semantic space: set "
                "IMAGERAG_ENCODER_SEMANTIC_MODEL, or ask for the joint space."
            )
        return served

    def batch_items(self, most: int) -> dict[Kind, int]:
        """Largest batch by kind, at most `most`."""
        semantic = most if self.semantic is None else self.semantic.batch_items
        return {kind: min(most, semantic if kind.is_semantic else self.joint.batch_items) for kind in Kind}

    def kind(self, content: Input) -> Kind:
        """Say where an input belongs; takes no time worth mentioning.

        Raises:
            InvalidRequestError: It cannot be embedded; the text says what to change.
            FingerprintMismatchError: Its pixels were made by another preprocessing.
            UnimplementedError: Its space is not served.
        """
        if isinstance(content, Picture):
            return Kind.IMAGE
        if isinstance(content, PreparedPicture):
            self._check_pixels(content)
            return Kind.IMAGE
        self.space(content.space)
        self._check_text(content.text)
        return text_kind(content.role, content.space)

    def check_digest(self, digest: str) -> None:
        """Whether pixels of this preprocessing are ours.

        Raises:
            FingerprintMismatchError: They would give other vectors.
        """
        wanted = self.joint.preprocessing.digest
        if digest != wanted:
            raise FingerprintMismatchError(
                f"These pixels were prepared as {digest!r}, but the model takes {wanted!r}: prepare them as "
                "Describe says, or send the pictures themselves."
            )

    def _check_pixels(self, content: PreparedPicture) -> None:
        self.check_digest(content.preprocessing)
        side_px = self.joint.preprocessing.side_px
        wanted = 3 * side_px * side_px
        if len(content.pixels) != wanted:
            raise InvalidRequestError(
                f"A prepared picture has {len(content.pixels):,} bytes, but 3 x {side_px} x {side_px} = "
                f"{wanted:,} are needed: one byte a value, red first, row by row."
            )

    def _check_text(self, text: str) -> None:
        if not text.strip():
            raise InvalidRequestError("The text is empty. Send at least one word.")
        if len(text) > self.limits.text_chars:
            raise InvalidRequestError(
                f"The text has {len(text):,} characters; at most {self.limits.text_chars:,} fit. Split it."
            )

    def prepare(self, content: Input) -> Prepared | ImageragError:
        """Decode and scale, or tokenise; runs on a thread of its own and raises nothing."""
        try:
            return self._prepared(content)
        except ImageragError as error:
            return error
        except Exception as error:
            log.error("preparing_failed", exc_info=error)
            return InternalError()

    def _prepared(self, content: Input) -> Prepared:
        if isinstance(content, Text):
            tokens = self._backend(content.space is Space.SEMANTIC).prepare_text(content.text, content.role)
            return Prepared(tokens, len(tokens) if hasattr(tokens, "__len__") else 0)
        preprocessing = self.joint.preprocessing
        if isinstance(content, PreparedPicture):
            return Prepared(pixels_of(content.pixels, preprocessing))
        image = decode_rgb(content.data, self.limits.images, at_least_px=preprocessing.decode_px)
        return Prepared(preprocessing(image))

    def compute(self, kind: Kind, payloads: Sequence[Any], threads: int) -> Vector:
        """Run one batch of one kind; see `Backend`."""
        if kind is Kind.IMAGE:
            return self._joint.encode_images(payloads, threads)
        return self._backend(kind.is_semantic).encode_texts(payloads, kind.role, threads)

    def _backend(self, is_semantic: bool) -> Backend | TextBackend:
        if not is_semantic:
            return self._joint
        assert self._semantic is not None
        return self._semantic


def pixels_of(data: bytes, preprocessing: Preprocessing) -> Pixels:
    """The bytes of a prepared picture as an array, without a copy; shape [3, side_px, side_px]."""
    side_px = preprocessing.side_px
    return np.frombuffer(data, np.uint8).reshape(3, side_px, side_px)


def size_bytes(content: Input) -> int:
    """About how much memory an input holds."""
    if isinstance(content, Picture):
        return len(content.data)
    return len(content.pixels) if isinstance(content, PreparedPicture) else len(content.text)
