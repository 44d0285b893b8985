"""Settings of the retriever."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.common.settings import ServiceSettings


class RetrieverSettings(ServiceSettings):
    """Read from IMAGERAG_RETRIEVER_* and the shared addresses."""

    model_config = SettingsConfigDict(env_prefix="IMAGERAG_RETRIEVER_")

    port: int = Field(default=50052, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    qdrant_url: str = Field(default="http://127.0.0.1:6333", validation_alias="QDRANT_URL")
    """Qdrant's REST interface."""
    qdrant_api_key: SecretStr | None = Field(default=None, validation_alias="QDRANT_API_KEY")
    """Sent to Qdrant with every call."""
    qdrant_ca_path: Path | None = Field(default=None, validation_alias="QDRANT_CA_PATH")
    """Authority that Qdrant's certificate must come from, PEM, for an https address; unset: the public ones."""
    alias: str = Field(default="imagerag", validation_alias="IMAGERAG_ALIAS")
    """Name that leads to the collection in use; two clusters on one Qdrant take two."""
    collection_shards: int | None = Field(default=None, ge=1, validation_alias="IMAGERAG_COLLECTION_SHARDS")
    """Shards of a collection that an import makes; the same as the workers'."""
    collection_replicas: int | None = Field(default=None, ge=1, validation_alias="IMAGERAG_COLLECTION_REPLICAS")
    """Copies of each of them; the same as the workers'."""
    collection_write_consistency: int | None = Field(
        default=None, ge=1, validation_alias="IMAGERAG_COLLECTION_WRITE_CONSISTENCY"
    )
    """Copies that must have a write before it counts; the same as the workers'."""
    cache_url: str | None = Field(default=None, validation_alias="CACHE_URL")
    """Redis that keeps embeddings for all processes; unset: each process keeps a few for itself."""
    encoder_url: str = Field(default="127.0.0.1:50051", validation_alias="IMAGERAG_ENCODER_URL")
    """`host:port` of the encoder."""
    store_timeout_s: int = Field(default=5, ge=1)
    """Longest wait for the store, in seconds."""
    encoder_timeout_s: float = Field(default=8.0, gt=0)
    """Longest wait for the encoder, in seconds."""
    resolve_ttl_s: float = Field(default=5.0, ge=0)
    """How long the alias and the encoder's description are believed, in seconds."""
    embedding_ttl_s: int = Field(default=86_400, ge=1)
    """How long the cache keeps a query's embedding, in seconds."""
    embedding_memory_mb: int = Field(default=32, ge=0)
    """Memory for the embeddings that this process used last; 0: none. A query's takes 2 to 4 KB."""
    candidates: int = Field(default=100, ge=1, le=1000)
    """Candidates that each leg returns."""
    probe_interval_s: float = Field(default=2.0, gt=0)
    """How often store and encoder are asked whether they live, in seconds."""
