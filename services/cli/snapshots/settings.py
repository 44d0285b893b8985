"""Settings of `imagerag snapshots`; secrets may stand in files, as with every service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.common.settings import ServiceSettings


class SnapshotSettings(ServiceSettings):
    """Where Qdrant is, and how long it may take."""

    model_config = SettingsConfigDict(env_prefix="IMAGERAG_SNAPSHOTS_")

    qdrant_url: str | None = Field(default=None, validation_alias="QDRANT_URL")
    """Qdrant's REST interface; unset: the store of the running cluster, else http://127.0.0.1:6333."""
    qdrant_api_key: SecretStr | None = Field(default=None, validation_alias="QDRANT_API_KEY")
    """Sent to Qdrant with every call."""
    qdrant_ca_path: Path | None = Field(default=None, validation_alias="QDRANT_CA_PATH")
    """Authority that Qdrant's certificate must come from, PEM, for an https address; unset: the public ones."""
    alias: str = Field(default="imagerag", validation_alias="IMAGERAG_ALIAS")
    """Name that leads to the collection in use."""
    data_url: str | None = Field(default=None, validation_alias="IMAGERAG_DATA_URL")
    """Where the pictures are kept, for --with-media; unset: the data folder of the running cluster."""
    timeout_s: int = Field(default=3600, ge=1)
    """Longest time that Qdrant gets to make one shard's snapshot, or to take one over."""
    settle_s: float = Field(default=300.0, ge=0)
    """Longest wait after a restore for the points to be counted again."""
