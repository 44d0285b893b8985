"""Preparing an encoder's pictures elsewhere: 150 kB of pixels cross the network, and its decoding is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast, get_args

from services.common.clients.encoder_description import EncoderDescription
from services.common.clients.encoder_inputs import PixelsInput
from services.common.errors import ConflictError, UnimplementedError
from services.common.media.images import DEFAULT_LIMITS, ImageLimits, decode_rgb
from services.common.media.preprocessing import PREPROCESSING_VERSION, Fit, Preprocessing, Resample

_HASH_DIGITS = 6
_UNCHANGED_MEAN, _UNCHANGED_STD = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
"""The encoder normalises; its constants are in the digest and stay with it."""


@dataclass(frozen=True)
class Preparer:
    """Makes of a picture what the encoder itself would make of it; may be called on any thread.

    Attributes:
        digest: The encoder's name for this preprocessing.
        preprocessing: Scales and makes square.
        limits: What pictures the encoder accepts.
    """

    digest: str
    preprocessing: Preprocessing
    limits: ImageLimits

    def __call__(self, data: bytes) -> PixelsInput:
        """Check, decode and scale.

        Args:
            data: Encoded bytes of a picture.

        Raises:
            ImageError: The picture cannot be used.
        """
        image = decode_rgb(data, self.limits, at_least_px=self.preprocessing.decode_px)
        return PixelsInput(self.preprocessing(image), self.digest)


def preparer(description: EncoderDescription) -> Preparer:
    """What prepares pictures for the encoder that is described.

    Raises:
        UnimplementedError: It takes no prepared pictures.
        ConflictError: It prepares pictures in another way than this process knows.
    """
    told = description.preprocessing
    if told is None:
        raise UnimplementedError("This encoder takes no prepared pictures: send the originals.")
    version = told.digest[:-_HASH_DIGITS]
    if (
        version != PREPROCESSING_VERSION
        or told.fit not in get_args(Fit)
        or told.resample not in get_args(Resample)
    ):
        raise ConflictError(
            f"The encoder prepares pictures as {told.digest!r} ({told.fit}, {told.side_px} px, {told.resample}), "
            f"and this process knows {PREPROCESSING_VERSION!r}. Run one version of both, or send the originals."
        )
    preprocessing = Preprocessing(
        fit=cast(Fit, told.fit),
        side_px=told.side_px,
        mean=_UNCHANGED_MEAN,
        std=_UNCHANGED_STD,
        resample=cast(Resample, told.resample),
    )
    return Preparer(told.digest, preprocessing, _limits(description))


def _limits(description: EncoderDescription) -> ImageLimits:
    return ImageLimits(
        max_bytes=description.max_image_bytes or DEFAULT_LIMITS.max_bytes,
        max_pixels=description.max_image_pixels or DEFAULT_LIMITS.max_pixels,
    )
