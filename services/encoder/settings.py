"""Settings of the encoder."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.media.images import PILLOW_ALARM_PIXELS, ImageLimits
from services.common.settings import ServiceSettings


def _default_threads() -> int:
    return min(4, os.cpu_count() or 1)


class EncoderSettings(ServiceSettings):
    """Read from IMAGERAG_ENCODER_*."""

    model_config = SettingsConfigDict(env_prefix="IMAGERAG_ENCODER_")

    port: int = Field(default=50051, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    model: str = Field(default="starter", min_length=1)
    """`starter`, or the hub id or the folder of a CLIP (openai/clip-vit-base-patch32), SigLIP, SigLIP 2,
    Chinese-CLIP or open_clip model; see docs/encoder.md."""
    model_revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    """Commit hash of a hub model's revision; unset: the newest. Fetching weights into a folder demands it."""
    scales: str = Field(default="", pattern=r"^(\d{2,4}(,\d{2,4})*)?$")
    """Sides in pixels at which the model sees each picture, for example 224,336: the vector is the mean over them.
    Empty: the model's own side. Vectors of other scales are another collection."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the model runs; `auto` takes CUDA if there is a device. Under `auto` the starter stays on the CPU
    where ONNX Runtime is installed."""
    precision: Literal["auto", "float32", "bfloat16", "int8"] = "auto"
    """`auto` takes bfloat16 on CUDA and on CPUs with AMX or AVX512-BF16. `int8` is for CPUs without them; its \
vectors are another collection. The starter has float32 alone."""
    runtime: Literal["auto", "torch", "onnx"] = "auto"
    """What computes the starter's pictures; `auto` takes ONNX Runtime if it is installed, with the same vectors in
    a quarter of the time. Other models run in torch."""
    streams: int = Field(default=0, ge=0, le=64)
    """Batches computed at once; 0: on a CPU as many as `threads`, which they share, on CUDA 2."""
    threads: int = Field(default_factory=_default_threads, ge=1, le=256)
    """CPU threads of the model. Two busy processes with more threads than cores slow each other to a crawl."""
    decode_threads: int = Field(default=2, ge=1, le=64)
    """Threads that decode and scale pictures for bulk callers; interactive ones have one of their own."""
    max_batch_items: int = Field(default=64, ge=1, le=1024)
    """Most inputs of one call."""
    device_batch_items: int = Field(default=32, ge=1, le=1024)
    """Most inputs that go through the model at once, across callers; a model may want fewer."""
    queue_limit_items: int = Field(default=512, ge=1)
    """Inputs that may be inside the service at once, waiting or running; more are refused."""
    max_image_bytes: int = Field(default=32 * 1024 * 1024, ge=1)
    """Largest encoded picture, in bytes."""
    max_image_pixels: int = Field(default=50_000_000, ge=1, le=PILLOW_ALARM_PIXELS)
    """Largest width x height of a picture."""
    max_text_chars: int = Field(default=16_384, ge=1)
    """Longest text, in characters; what is beyond the model's own limit is cut."""

    def scales_px(self) -> tuple[int, ...]:
        """`scales` as numbers."""
        return tuple(int(side) for side in self.scales.split(",") if side)

    def image_limits(self) -> ImageLimits:
        """What pictures are accepted."""
        return ImageLimits(max_bytes=self.max_image_bytes, max_pixels=self.max_image_pixels)
