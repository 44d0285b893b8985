"""Settings of the command line; an option on the command line goes before."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.cli.errors import EXIT_USAGE, CliError


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


def read_settings() -> CliSettings:
    """Read the environment.

    Raises:
        CliError: A variable does not fit; names it.
    """
    try:
        return CliSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"IMAGERAG_{'_'.join(str(part) for part in first['loc'])}".upper()
        raise CliError(f"{name}: {first['msg']}", code="wrong_settings", exit_code=EXIT_USAGE) from None
