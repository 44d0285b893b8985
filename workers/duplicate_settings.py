"""What the workers are told about when two pictures look the same."""

from __future__ import annotations

from pydantic import Field

from services.common.media.hash_bands import MAX_DISTANCE_BITS
from services.common.settings import ServiceSettings


class DuplicateSettings(ServiceSettings):
    """The part of the workers' settings that bounds which pictures are looked at closely; both must hold."""

    near_duplicate_bits: int = Field(default=6, ge=0, le=MAX_DISTANCE_BITS)
    """Bits of 64 in which the perceptual hashes of two pictures that look the same may differ. Two such hashes \
differ in an even number of bits."""
    near_duplicate_similarity: float = Field(default=0.75, ge=0.0, le=1.0)
    """Smallest cosine of their image vectors. The starter gives a photo and its JPEG of quality 25 less one \
time in thirty."""
