"""What the workers are told about the model that writes captions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from services.common.settings import ServiceSettings

_OWN_FIELDS = frozenset({"model", "messages", "stream", "response_format", "n"})


class CaptionSettings(ServiceSettings):
    """The part of the workers' settings that names a vision model behind an OpenAI-compatible endpoint."""

    caption_base_url: str = ""
    """Address of an OpenAI-compatible endpoint with a vision model, up to and with `/v1`: \
http://127.0.0.1:8000/v1. Empty: no captions; items of a job that asks for them are marked incomplete."""
    caption_model: str = ""
    """The model's name at that endpoint."""
    caption_api_key: SecretStr = SecretStr("")
    """Key for that endpoint; empty: it needs none."""
    caption_language: str = Field(default="English", pattern=r"^[A-Za-z][A-Za-z ()-]{1,39}$")
    """Language that captions are written in, by its English name."""
    caption_picture_px: int = Field(default=768, ge=64, le=2048)
    """Longest side of the picture that is sent, in pixels."""
    caption_answer_tokens: int = Field(default=700, ge=64)
    """Most tokens of a caption, a model's reasoning included."""
    caption_answer_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """How the call names that limit: OpenAI's own newer models know only `max_completion_tokens`."""
    caption_temperature: float | None = Field(default=0.0, ge=0, le=2)
    """Sampling temperature; empty: not sent, as some reasoning models want it."""
    caption_json: Literal["schema", "object", "plain"] = "schema"
    """How the endpoint is held to JSON, to begin with: by a schema, as some `object`, or by words alone. What it \
refuses is replaced by the next."""
    caption_extra_json: str = "{}"
    """More fields of each call, as a JSON object: {"chat_template_kwargs": {"enable_thinking": false}}."""
    caption_concurrent: int = Field(default=4, ge=1)
    """Pictures that one process asks about at once."""
    caption_connect_s: float = Field(default=3.0, gt=0)
    """Longest wait for a connection, in seconds."""
    caption_total_s: float = Field(default=60.0, gt=0)
    """Longest time for one caption with all retries, in seconds; below IMAGERAG_WORKERS_BATCH_LIMIT_S."""
    caption_retries: int = Field(default=3, ge=0, le=10)
    """Times that a failed call is made again."""
    caption_pause_s: float = Field(default=15.0, ge=0)
    """An endpoint that failed is left alone for so long: pictures of that time are marked incomplete at once."""
    caption_ca_path: Path | None = None
    """Certificates to trust at the endpoint instead of the public ones: a PEM file."""
    caption_proxy_url: str | None = None
    """Proxy on the way to the endpoint; those of the environment are not used."""

    @field_validator("caption_temperature", "caption_ca_path", "caption_proxy_url", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("caption_base_url")
    @classmethod
    def _check_caption_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("write an address such as http://127.0.0.1:8000/v1")
        if parts.username or parts.password:
            raise ValueError("write the key into IMAGERAG_WORKERS_CAPTION_API_KEY, not into the address")
        return url.rstrip("/")

    @field_validator("caption_extra_json")
    @classmethod
    def _check_caption_extra(cls, text: str) -> str:
        try:
            fields = json.loads(text or "{}")
        except ValueError:
            raise ValueError("write a JSON object") from None
        if not isinstance(fields, dict) or _OWN_FIELDS & fields.keys():
            raise ValueError(f"write a JSON object without {', '.join(sorted(_OWN_FIELDS))}")
        return text or "{}"

    @model_validator(mode="after")
    def _check_caption_model(self) -> Self:
        if bool(self.caption_base_url) != bool(self.caption_model):
            missing = "CAPTION_MODEL" if self.caption_base_url else "CAPTION_BASE_URL"
            raise ValueError(f"captions need IMAGERAG_WORKERS_{missing} as well")
        return self

    def caption_extra(self) -> dict[str, Any]:
        """More fields of each call."""
        return dict(json.loads(self.caption_extra_json))
