"""What an encoder is given, and who waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from imagerag.v1 import encoder_pb2

from services.common.domain import Vector
from services.common.errors import ImageragError
from services.common.media.preprocessing import Pixels

Encoded = Vector | ImageragError
"""What became of one input: a unit vector, shape (dim,), float32, read-only; or its own error."""
_FRAME_BYTES = 64
"""What an input takes in a message beside its content: number, lengths, digest."""


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
class PictureInput:
    """A picture as it was received.

    Attributes:
        data: Encoded bytes: JPEG, PNG, WebP and others.
    """

    data: bytes

    @property
    def size_bytes(self) -> int:
        """Bytes in a message."""
        return len(self.data) + _FRAME_BYTES

    def to_proto(self, number: int) -> encoder_pb2.StreamInput:
        """As a part of a stream's message."""
        return encoder_pb2.StreamInput(id=number, image=self.data)


@dataclass(frozen=True, eq=False)
class PixelsInput:
    """A picture that the caller has decoded and scaled, see `encoder_description.preparer`.

    Attributes:
        pixels: uint8, shape [3, side_px, side_px].
        preprocessing: Digest of what made them.
    """

    pixels: Pixels
    preprocessing: str

    @property
    def size_bytes(self) -> int:
        """Bytes in a message."""
        return self.pixels.nbytes + _FRAME_BYTES

    def to_proto(self, number: int) -> encoder_pb2.StreamInput:
        """As a part of a stream's message."""
        return encoder_pb2.StreamInput(id=number, pixels=self.pixels.tobytes(), preprocessing=self.preprocessing)


@dataclass(frozen=True)
class TextInput:
    """A text.

    Attributes:
        text: What is beyond the model's limit of tokens is cut.
        role: Whether it is asked or stored.
        space: Which space its vector is to be in.
    """

    text: str
    role: TextRole = TextRole.PASSAGE
    space: Space = Space.JOINT

    @property
    def size_bytes(self) -> int:
        """Bytes in a message."""
        return len(self.text.encode()) + _FRAME_BYTES

    def to_proto(self, number: int) -> encoder_pb2.StreamInput:
        """As a part of a stream's message."""
        text = encoder_pb2.TextInput(text=self.text, role=self.role.value, space=self.space.value)
        return encoder_pb2.StreamInput(id=number, text=text)


EncoderInput = PictureInput | PixelsInput | TextInput
