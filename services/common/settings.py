"""Settings that every deployable shares; each deployable subclasses `ServiceSettings` with a prefix of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

S = TypeVar("S", bound="ServiceSettings")


DEFAULT_SECRETS_FOLDER = Path("/run/secrets")
"""Where Docker and Kubernetes put secrets by convention."""


class SettingsError(Exception):
    """A setting is missing or wrong; the text says which variable and what to write."""


class SecretsFolder(BaseSettings):
    """What must be known before the settings themselves can be read."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    secrets_dir: Path | None = Field(default=None, validation_alias="IMAGERAG_SECRETS_DIR")
    """Folder with one file a variable, of the variable's name; unset: /run/secrets if it exists. The environment \
goes before."""


class ServiceSettings(SecretsFolder):
    """Read from the environment once, at start, and passed into constructors."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, use_attribute_docstrings=True, populate_by_name=True
    )

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=0, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of the Prometheus endpoint; unset: none (but `/metrics` of the gateway)."""
    announce_path: Path | None = None
    """File into which `host:port` is written once the service answers."""
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", validation_alias="IMAGERAG_LOG_LEVEL"
    )
    """Lowest level that is logged."""
    log_format: Literal["json", "console"] = Field(default="json", validation_alias="IMAGERAG_LOG_FORMAT")
    """`json` for machines, `console` for people."""
    otlp_endpoint: str | None = Field(
        default=None, pattern=r"^https?://[^/]+/?$", validation_alias="IMAGERAG_OTLP_ENDPOINT"
    )
    """Collector that traces are sent to, by OTLP over gRPC: `http://host:4317`; unset: nothing is traced."""
    trace_ratio: float = Field(default=1.0, ge=0, le=1, validation_alias="IMAGERAG_TRACE_RATIO")
    """Share of the traces beginning here that are recorded, 0 to 1."""
    tls_cert_path: Path | None = Field(default=None, validation_alias="IMAGERAG_TLS_CERT_PATH")
    """This service's certificate, PEM, with the chain to the authority; gRPC alone uses it. Unset: no TLS."""
    tls_key_path: Path | None = Field(default=None, validation_alias="IMAGERAG_TLS_KEY_PATH")
    """Its private key, PEM."""
    tls_ca_path: Path | None = Field(default=None, validation_alias="IMAGERAG_TLS_CA_PATH")
    """Authorities that others' certificates must come from, PEM; servers then ask every client for one."""
    connection_age_s: float = Field(default=300.0, ge=1, validation_alias="IMAGERAG_CONNECTION_AGE_S")
    """Age at which a gRPC server closes a connection; clients then look up the name and find new replicas."""
    health_port: int | None = Field(default=None, ge=0, le=65535, validation_alias="IMAGERAG_HEALTH_PORT")
    """Port for gRPC's health service alone, never with TLS, for probes that cannot speak it; unset: none."""
    drain_s: float = Field(default=10.0, ge=0, validation_alias="IMAGERAG_DRAIN_S")
    """Seconds that running calls get to finish after SIGTERM."""


def load_settings(cls: type[S]) -> S:
    """Read `cls` from the environment, and what is not there from the files of the secrets folder.

    Raises:
        SettingsError: One line for each wrong variable, naming it and what it must be.
    """
    folder = secrets_folder()
    read: Callable[..., S] = cls  # the source's own argument is not among the fields
    try:
        return read(_secrets_dir=folder)
    except ValidationError as error:
        prefix = str(cls.model_config.get("env_prefix", ""))
        lines = [_explain(cls, prefix, part["loc"], part["msg"]) for part in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def secrets_folder() -> Path | None:
    """The folder of secrets; none if there is none.

    Raises:
        SettingsError: One is named that is not there: without it a service would start with the defaults.
    """
    named = SecretsFolder().secrets_dir
    if named is None:
        return DEFAULT_SECRETS_FOLDER if DEFAULT_SECRETS_FOLDER.is_dir() else None
    if not named.is_dir():
        raise SettingsError(f"IMAGERAG_SECRETS_DIR: {named} is no folder: write one that holds a file a secret")
    return named


def _explain(cls: type[BaseSettings], prefix: str, location: tuple[int | str, ...], message: str) -> str:
    name = str(location[0]) if location else ""
    field = cls.model_fields.get(name)
    variable = name if field is None else variable_name(cls, name)
    described = f" ({field.description})" if field is not None and field.description else ""
    return f"{variable}: {message}{described}"


def variable_name(cls: type[BaseSettings], field_name: str) -> str:
    """The environment variable that sets `field_name`."""
    alias = cls.model_fields[field_name].validation_alias
    if isinstance(alias, str):
        return alias
    return (str(cls.model_config.get("env_prefix", "")) + field_name).upper()
