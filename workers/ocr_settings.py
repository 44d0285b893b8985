"""What the workers are told about reading the text inside pictures."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.common.settings import ServiceSettings
from workers.sandbox.resident import ResidentLimits

_MIB = 1024**2


class OcrSettings(ServiceSettings):
    """The part of the workers' settings that is about `ocr`."""

    ocr: Literal["asked", "always", "off"] = "asked"
    """Whether the text inside pictures is read: for jobs that ask for it, for every job, or for none; needs the \
extra `ocr`. Where it is off, items whose job asked for it are marked as incomplete."""
    ocr_limit_cpu_s: int = Field(default=60, ge=1)
    """Processor time for one picture, a third of what it may take by the clock; more makes its item incomplete."""
    ocr_limit_bytes: int = Field(default=4 * 1024 * _MIB, ge=1024 * _MIB)
    """Address space of the process that reads."""

    def ocr_bounds(self, picture_bytes: int) -> ResidentLimits:
        """The bounds of the process that reads.

        Args:
            picture_bytes: Largest picture.
        """
        return ResidentLimits(
            memory_bytes=self.ocr_limit_bytes,
            cpu_s=self.ocr_limit_cpu_s,
            answer_s=3.0 * self.ocr_limit_cpu_s,
            question_bytes=picture_bytes + _MIB,
        )
