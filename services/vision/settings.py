"""Settings of the vision-language model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.common.media.images import PILLOW_ALARM_PIXELS
from services.common.settings import ServiceSettings


def _default_threads() -> int:
    return min(8, os.cpu_count() or 1)


class VisionSettings(ServiceSettings):
    """Variables `IMAGERAG_VISION_*`."""

    model_config = SettingsConfigDict(env_prefix="IMAGERAG_VISION_")

    port: int = Field(default=50054, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    model: str = ""
    """Hub id or folder of a vision-language model of transformers, with its processor and chat template: \
HuggingFaceTB/SmolVLM-256M-Instruct, Qwen/Qwen2-VL-2B-Instruct, llava-hf/llava-1.5-7b-hf."""
    model_revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    """Commit hash of a hub model's revision; unset: the newest."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the model runs; `auto` takes CUDA if there is a device."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto` takes bfloat16 on CUDA and on CPUs with AMX or AVX512-BF16."""
    threads: int = Field(default_factory=_default_threads, ge=1, le=256)
    """CPU threads of the model. Two busy processes with more threads than cores slow each other to a crawl."""
    waiting_limit: int = Field(default=16, ge=0)
    """Calls that may wait while one is answered; more are told to come back later."""
    answer_limit_tokens: int = Field(default=1024, ge=1)
    """Most tokens of an answer, whatever a call asks for."""
    answer_limit_s: float = Field(default=300.0, gt=0)
    """Longest time for one answer; what was written until then is sent, as if its tokens had run out."""
    pictures_limit: int = Field(default=8, ge=1)
    """Most pictures of one call."""
    picture_px: int = Field(default=768, ge=64, le=4096)
    """Longest side of a picture that the model is shown; the model scales it again as it was made to."""
    picture_limit_pixels: int = Field(default=50_000_000, ge=1, le=PILLOW_ALARM_PIXELS)
    """Most pixels of a picture."""
    body_limit_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    """Largest call."""
    api_key: SecretStr | None = None
    """Asked of every caller as a bearer token; needed to listen on anything but this machine."""
    weights_path: Path | None = None
    """Folder in which downloaded models are kept; unset: the hub's own cache (HF_HOME)."""
