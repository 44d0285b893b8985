"""Settings of the command line; an option on the command line goes before."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.cli.errors import EXIT_USAGE, CliError

S = TypeVar("S", bound=BaseSettings)


class CliSettings(BaseSettings):
    """Variables of the command line."""

    model_config = SettingsConfigDict(
        env_prefix="IMAGERAG_", extra="ignore", frozen=True, use_attribute_docstrings=True, populate_by_name=True
    )

    url: str | None = None
    """Address of the gateway; unset: the cluster of the data folder, else http://127.0.0.1:8080."""
    key: SecretStr | None = None
    """API key that is sent with every call."""
    data: Path = Path("imagerag-data")
    """Folder in which `imagerag up` keeps everything."""
    timeout_s: float = Field(default=60.0, gt=0)
    """Longest wait for one answer of the gateway, in seconds."""


class ExternalServers(BaseSettings):
    """Servers that replace the embedded ones of `imagerag up`."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, use_attribute_docstrings=True, populate_by_name=True
    )

    qdrant_url: str | None = Field(default=None, validation_alias="QDRANT_URL")
    """A Qdrant server instead of the embedded store."""
    broker_url: str | None = Field(default=None, validation_alias="BROKER_URL")
    """A Redis or Valkey server (noeviction, append-only file) instead of the embedded broker."""
    cache_url: str | None = Field(default=None, validation_alias="CACHE_URL")
    """A Redis or Valkey server (allkeys-lru, bounded) instead of the embedded cache."""


class ModelEndpoint(BaseSettings):
    """What the generator of `imagerag up` is told of a language model; `doctor` looks whether it is there."""

    model_config = SettingsConfigDict(
        env_prefix="IMAGERAG_GENERATOR_", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    backend: str = "extractive"
    """`openai`: a language model writes the answers."""
    openai_base_url: str = ""
    """Address of the endpoint."""
    openai_model: str = ""
    """The model's name there."""
    openai_api_key: SecretStr = SecretStr("")
    """Key for it."""
    openai_ca_path: str = ""
    """Certificates to trust there."""
    openai_proxy_url: str = ""
    """Proxy on the way there."""


class CaptionEndpoint(BaseSettings):
    """What the workers of `imagerag up` are told of a model that writes captions; `doctor` looks for it too."""

    model_config = SettingsConfigDict(
        env_prefix="IMAGERAG_WORKERS_", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    caption_base_url: str = ""
    """Address of the endpoint; empty: none."""
    caption_model: str = ""
    """The model's name there."""
    caption_api_key: SecretStr = SecretStr("")
    """Key for it."""
    caption_ca_path: str = ""
    """Certificates to trust there."""
    caption_proxy_url: str = ""
    """Proxy on the way there."""


class ClusterPorts(BaseSettings):
    """Where the parts of `imagerag up` listen; 0 takes a free port, and so does one that is taken."""

    model_config = SettingsConfigDict(
        env_prefix="IMAGERAG_", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    gateway_port: int = Field(default=8080, ge=0, le=65535)
    """Of the page and the REST interface; `--port` goes before."""
    store_port: int = Field(default=6333, ge=0, le=65535)
    """Of the embedded store."""
    encoder_port: int = Field(default=50051, ge=0, le=65535)
    """Of the encoder."""
    retriever_port: int = Field(default=50052, ge=0, le=65535)
    """Of the retriever."""
    generator_port: int = Field(default=50053, ge=0, le=65535)
    """Of the generator."""
    vision_port: int = Field(default=50054, ge=0, le=65535)
    """Of the model that writes captions, with `--captions`."""
    broker_port: int = Field(default=6379, ge=0, le=65535)
    """Of the embedded broker."""
    cache_port: int = Field(default=6380, ge=0, le=65535)
    """Of the embedded cache."""

    def by_part(self) -> dict[str, int]:
        """The wanted port of each part by its name."""
        return {name.removesuffix("_port"): int(port) for name, port in self}


def read_settings() -> CliSettings:
    """The settings of the command line.

    Raises:
        CliError: A variable does not fit; names it.
    """
    return _read(CliSettings)


def read_ports() -> ClusterPorts:
    """The ports that a cluster on this machine is to take; errors as in `read_settings`."""
    return _read(ClusterPorts)


def read_caption_endpoint() -> CaptionEndpoint:
    """The model of captions that is set for a cluster on this machine; errors as in `read_settings`."""
    return _read(CaptionEndpoint)


def read_model_endpoint() -> ModelEndpoint:
    """What the generator would be told of a language model; errors as in `read_settings`."""
    return _read(ModelEndpoint)


def _read(settings_type: type[S]) -> S:
    try:
        return settings_type()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"IMAGERAG_{'_'.join(str(part) for part in first['loc'])}".upper()
        raise CliError(f"{name}: {first['msg']}", code="wrong_settings", exit_code=EXIT_USAGE) from None
