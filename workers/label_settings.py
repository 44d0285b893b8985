"""What the workers are told about naming what is seen in pictures."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.common.settings import ServiceSettings


class LabelSettings(ServiceSettings):
    """The part of the workers' settings that is about `tags`."""

    tags_path: Path | None = None
    """Words that pictures may be labelled with, in a language that the encoder's model knows: a UTF-8 file with \
one a line. Unset: a thousand English words for everyday things."""
    tags_limit: int = Field(default=5, ge=1, le=50)
    """Most labels of a picture."""
    tags_least_sigmas: float | None = Field(default=None, gt=0)
    """How far above the mean of all words one must stand to be given, in standard deviations; more gives fewer \
and better ones. Unset: 7 with the starter, 3.5 with other models."""
