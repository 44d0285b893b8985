"""What the workers are told about naming what is seen in pictures."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.common.settings import ServiceSettings
from workers.enrich.labels.zero_shot import LabelRule

_RULE = LabelRule()


class LabelSettings(ServiceSettings):
    """The part of the workers' settings that is about `tags`."""

    tags_path: Path | None = None
    """Words that pictures may be labelled with, in a language that the encoder's model knows: a UTF-8 file with \
one a line. Unset: a thousand English words for everyday things."""
    tags_limit: int = Field(default=_RULE.limit, ge=1, le=50)
    """Most labels of a picture."""
    tags_least_sigmas: float = Field(default=_RULE.least_sigmas, gt=0)
    """How far above the average of all words one must stand to be given, in standard deviations."""

    def label_rule(self) -> LabelRule:
        """When a word is given."""
        return LabelRule(limit=self.tags_limit, least_sigmas=self.tags_least_sigmas)
