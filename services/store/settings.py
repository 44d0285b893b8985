"""What the store can be told, by environment variables that begin with `IMAGERAG_STORE_`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.common.settings import ServiceSettings


class StoreSettings(ServiceSettings):
    """Settings of `python -m services.store`."""

    model_config = SettingsConfigDict(env_prefix="IMAGERAG_STORE_")

    port: int = Field(default=6333, ge=0, le=65535)
    """Port to listen on; 0 takes a free one. 6333 is Qdrant's own."""
    data_path: Path = Path("imagerag-data/store")
    """Folder that holds the collections; made if missing, and locked by one process at a time."""
    api_key: SecretStr | None = None
    """If set, every call but the health checks must carry it in the header `api-key` or as a bearer token."""
    body_limit_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    """Largest request body that is read."""
    snapshot_limit_bytes: int = Field(default=64 * 1024**3, ge=1024)
    """Largest snapshot that is restored, packed and unpacked; holes of its files count."""
    queue_limit: int = Field(default=512, ge=1)
    """Calls that may wait for the engine; above that the store answers 503."""
    flush_interval_s: float = Field(default=5.0, gt=0)
    """Seconds between flushes of what was written; bounds the replay after a crash."""
    index_after_points: int = Field(default=20_000, ge=0)
    """Points written since the last build that start an HNSW build; 0 never builds (search stays exact)."""
    index_pause_s: float = Field(default=60.0, ge=0)
    """Seconds to wait after a build that failed or was overtaken by writes."""
    index_backlog_points: int = Field(default=100_000, ge=1)
    """Points written during a build above which the build is given up (they are kept in memory meanwhile)."""
