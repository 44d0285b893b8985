"""Settings of the generator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from services.common.settings import ServiceSettings

MIN_PROMPT_TOKENS = 1_500
"""Instructions, a question and a few short sources."""
_OWN_FIELDS = frozenset({"model", "messages", "stream"})


class GeneratorSettings(ServiceSettings):
    """Variables `IMAGERAG_GENERATOR_*`."""

    model_config = SettingsConfigDict(env_prefix="IMAGERAG_GENERATOR_")

    port: int = Field(default=50053, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    backend: Literal["extractive", "openai"] = "extractive"
    """What writes the answers: `extractive` quotes what was retrieved, `openai` asks a language model."""
    fallback: bool = True
    """If the model cannot be reached, the extractive backend answers, and the answer says so; false: an error."""
    question_limit_chars: int = Field(default=2_000, ge=1)
    """Longest question, in characters."""
    sources_limit: int = Field(default=100, ge=1)
    """Most sources of one question."""
    cited_limit: int = Field(default=4, ge=1)
    """Most sources that one extractive answer cites."""
    answer_limit_chars: int = Field(default=1_500, ge=200)
    """Longest extractive answer, in characters; a model's is limited by its tokens."""

    openai_base_url: str = ""
    """Address of an OpenAI-compatible endpoint, up to and with `/v1`: http://127.0.0.1:8000/v1."""
    openai_model: str = ""
    """The model's name at that endpoint."""
    openai_api_key: SecretStr = SecretStr("")
    """Key for that endpoint; empty: it needs none."""
    openai_context_tokens: int = Field(default=8_192, ge=2_048)
    """The window that the model is served with; sources are cut to fit into it."""
    openai_answer_tokens: int = Field(default=800, ge=64)
    """Most tokens of an answer, a model's reasoning included."""
    openai_answer_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """How the call names that limit: OpenAI's own newer models know only `max_completion_tokens`."""
    openai_temperature: float | None = Field(default=0.2, ge=0, le=2)
    """Sampling temperature; empty: not sent, as some reasoning models want it."""
    openai_extra_json: str = "{}"
    """More fields of each call, as a JSON object: {"chat_template_kwargs": {"enable_thinking": false}}."""
    openai_max_pictures: int = Field(default=4, ge=0, le=10)
    """Most pictures that are sent along; 0 for a model that reads text alone."""
    openai_picture_px: int = Field(default=512, ge=64, le=1024)
    """Longest side of a picture that is sent, in pixels."""
    openai_concurrent: int = Field(default=8, ge=1)
    """Answers that are written at once by this process; more wait for a moment, then are refused."""
    openai_slot_wait_s: float = Field(default=2.0, ge=0)
    """Longest wait for one of these, in seconds."""
    openai_connect_s: float = Field(default=3.0, gt=0)
    """Longest wait for a connection, in seconds."""
    openai_first_token_s: float = Field(default=60.0, gt=0)
    """Longest wait for the first piece of an answer, in seconds; the model may have to be loaded first."""
    openai_between_tokens_s: float = Field(default=20.0, gt=0)
    """Longest wait for the next piece, in seconds."""
    openai_total_s: float = Field(default=110.0, gt=0)
    """Longest time for a whole answer with all retries, in seconds; below IMAGERAG_GATEWAY_ANSWER_DEADLINE_S."""
    openai_retries: int = Field(default=2, ge=0, le=10)
    """Times that a failed call is made again; never after the first piece of an answer."""
    openai_ca_path: Path | None = None
    """Certificates to trust at the endpoint instead of the public ones: a PEM file."""
    openai_proxy_url: str | None = None
    """Proxy on the way to the endpoint; those of the environment are not used."""

    @field_validator("openai_temperature", "openai_ca_path", "openai_proxy_url", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("openai_base_url")
    @classmethod
    def _check_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("write an address such as http://127.0.0.1:8000/v1")
        if parts.username or parts.password:
            raise ValueError("write the key into IMAGERAG_GENERATOR_OPENAI_API_KEY, not into the address")
        return url.rstrip("/")

    @field_validator("openai_extra_json")
    @classmethod
    def _check_extra(cls, text: str) -> str:
        try:
            fields = json.loads(text or "{}")
        except ValueError:
            raise ValueError("write a JSON object") from None
        if not isinstance(fields, dict) or _OWN_FIELDS & fields.keys():
            raise ValueError(f"write a JSON object without {', '.join(sorted(_OWN_FIELDS))}")
        return text or "{}"

    @model_validator(mode="after")
    def _check_model(self) -> Self:
        if self.backend != "openai":
            return self
        for name in ("openai_base_url", "openai_model"):
            if not getattr(self, name):
                raise ValueError(f"the backend openai needs IMAGERAG_GENERATOR_{name.upper()}")
        if self.openai_context_tokens - self.openai_answer_tokens < MIN_PROMPT_TOKENS:
            raise ValueError(
                "IMAGERAG_GENERATOR_OPENAI_CONTEXT_TOKENS must exceed IMAGERAG_GENERATOR_OPENAI_ANSWER_TOKENS "
                f"by at least {MIN_PROMPT_TOKENS}"
            )
        return self

    def openai_extra(self) -> dict[str, Any]:
        """More fields of each call."""
        return dict(json.loads(self.openai_extra_json))
