"""Settings of the generator."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.settings import ServiceSettings


class GeneratorSettings(ServiceSettings):
    """Variables `IMAGERAG_GENERATOR_*`."""

    model_config = SettingsConfigDict(env_prefix="IMAGERAG_GENERATOR_")

    port: int = Field(default=50053, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    backend: Literal["extractive"] = "extractive"
    """What writes the answers; `extractive` quotes what was retrieved and needs no model."""
    question_limit_chars: int = Field(default=2_000, ge=1)
    """Longest question, in characters."""
    sources_limit: int = Field(default=100, ge=1)
    """Most sources of one question."""
    cited_limit: int = Field(default=4, ge=1)
    """Most sources that one answer cites."""
    answer_limit_chars: int = Field(default=1_500, ge=200)
    """Longest answer, in characters."""
