"""What the workers can be told by the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from services.common.jobs.messages import QUEUE_BULK, QUEUE_INTERACTIVE
from services.common.jobs.roots import parse_roots
from services.common.media.store import THUMBNAIL_SIZES_PX
from workers.caption_settings import CaptionSettings
from workers.duplicate_settings import DuplicateSettings
from workers.label_settings import LabelSettings
from workers.ocr_settings import OcrSettings
from workers.source_settings import SourceSettings

_QUEUES = (QUEUE_INTERACTIVE, QUEUE_BULK)


class WorkersSettings(SourceSettings, CaptionSettings, LabelSettings, OcrSettings, DuplicateSettings):
    """Variables that begin with IMAGERAG_WORKERS_, and the shared ones named by their aliases."""

    model_config = SettingsConfigDict(env_prefix="IMAGERAG_WORKERS_")

    broker_url: str = Field(
        default="redis://127.0.0.1:6379/0", pattern=r"^(rediss?|unix)://", validation_alias="BROKER_URL"
    )
    """The Redis that carries jobs: with an append-only file and `maxmemory-policy noeviction`."""
    qdrant_url: str = Field(default="http://127.0.0.1:6333", validation_alias="QDRANT_URL")
    """Qdrant's REST interface."""
    qdrant_api_key: SecretStr | None = Field(default=None, validation_alias="QDRANT_API_KEY")
    """Sent to Qdrant with every call."""
    qdrant_ca_path: Path | None = Field(default=None, validation_alias="QDRANT_CA_PATH")
    """Authority that Qdrant's certificate must come from, PEM, for an https address; unset: the public ones."""
    alias: str = Field(default="imagerag", validation_alias="IMAGERAG_ALIAS")
    """Name that leads to the collection in use; the same as the retriever's."""
    collection_shards: int | None = Field(default=None, ge=1, validation_alias="IMAGERAG_COLLECTION_SHARDS")
    """Shards of a collection that is made: a multiple of Qdrant's nodes; unset: one for each node."""
    collection_replicas: int | None = Field(default=None, ge=1, validation_alias="IMAGERAG_COLLECTION_REPLICAS")
    """Copies of each shard, on different nodes; with 2 a node may be lost. Unset: one."""
    collection_write_consistency: int | None = Field(
        default=None, ge=1, validation_alias="IMAGERAG_COLLECTION_WRITE_CONSISTENCY"
    )
    """Copies that must have a write before it counts; unset: one, and writing goes on while a node is away."""
    data_url: str = Field(default="./imagerag-data", validation_alias="IMAGERAG_DATA_URL")
    """Where pictures and job ledgers are kept: a folder, `file://`, `s3://`."""
    cache_url: str | None = Field(default=None, pattern=r"^((rediss?|unix)://.*)?$", validation_alias="CACHE_URL")
    """Redis that keeps embeddings, so that a picture that comes again is not encoded again; unset: none."""
    encoder_url: str = Field(default="127.0.0.1:50051", validation_alias="IMAGERAG_ENCODER_URL")
    """`host:port` of the encoder."""
    source_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(), validation_alias="IMAGERAG_SOURCE_ROOTS"
    )
    """Folders that jobs may read: comma separated or a JSON list. Empty: such jobs are refused."""

    concurrency: int = Field(default=2, ge=1)
    """Processes that work at once."""
    queues: str = ",".join(_QUEUES)
    """Queues to take from, comma separated; `interactive` comes first wherever it is taken."""
    nice: int = Field(default=0, ge=0, le=19)
    """How far these processes stand back from others on the machine, as `nice` counts it."""
    tasks_per_process: int = Field(default=500, ge=1)
    """Tasks after which a process is replaced: bounds what a leaking decoder may pile up."""

    thumbnail_px: Annotated[tuple[int, ...], NoDecode] = (256, 512)
    """Longest sides of the thumbnails that are made at once, comma separated; others are made when asked for."""
    picture_limit_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    """Largest picture."""
    picture_limit_pixels: int = Field(default=50_000_000, ge=1)
    """Most pixels of a picture."""
    read_threads: int = Field(default=2, ge=1, le=64)
    """Threads of each process that read and decode pictures."""
    chunk_items: int = Field(default=8, ge=1)
    """Pictures that one of these threads takes at once."""
    write_items: int = Field(default=32, ge=1, le=256)
    """Items that are written together, while those behind them are at the encoder."""
    encoder_deadline_s: float = Field(default=60.0, gt=0)
    """Longest time without an answer of the encoder while something waits for one."""
    embedding_ttl_s: int = Field(default=604_800, ge=1)
    """How long the cache keeps the embeddings of what was ingested, in seconds."""
    store_timeout_s: int = Field(default=20, ge=1)
    """Longest wait for one answer of the store."""

    max_attempts: int = Field(default=4, ge=2)
    """Tries at a picture that takes its process with it, before it counts as failed."""
    retry_limit: int = Field(default=4, ge=0)
    """Times a message is tried again while a service is down; after that the reconciler has it."""
    retry_base_s: float = Field(default=1.0, gt=0)
    """Wait before the first of these; it doubles each time."""
    retry_cap_s: float = Field(default=30.0, gt=0)
    """Longest such wait."""
    batch_limit_s: float = Field(default=240.0, gt=0)
    """Longest time for one message; the process is killed a little later."""
    visibility_timeout_s: int = Field(default=900, ge=1)
    """Time after which the broker hands a message out again; longer than any message takes."""
    lease_s: float = Field(default=20.0, gt=0)
    """Time after which lines count as abandoned when their process stops renewing its lease."""

    beat_metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of the beat's own Prometheus endpoint, where it shares a machine with a worker; 0: a free one; unset: \
the same as the worker's. Without IMAGERAG_WORKERS_METRICS_PORT there is none."""

    reconcile_interval_s: float = Field(default=15.0, gt=0)
    """Time between looks at the open jobs."""
    requeue_after_s: float = Field(default=30.0, gt=0)
    """Age at which lines that nobody works on are queued again; it doubles each time."""

    deletes_kept_days: int = Field(default=400, ge=1)
    """Days for which deletes are remembered, to be repeated after a restore: longer than any snapshot is kept."""

    heartbeat_path: Path | None = None
    """File that a living worker or beat touches every 5 s, for `python -m workers health`; unset: none."""
    heartbeat_limit_s: float = Field(default=60.0, ge=15)
    """Age of the heartbeat above which the process counts as hanging."""

    @field_validator("source_roots", mode="before")
    @classmethod
    def _split_roots(cls, given: object) -> object:
        return parse_roots(given) if isinstance(given, str) else given

    @field_validator("queues")
    @classmethod
    def _known_queues(cls, given: str) -> str:
        names = [name.strip() for name in given.split(",") if name.strip()]
        unknown = set(names) - set(_QUEUES)
        if unknown or not names:
            raise ValueError(f"write some of {', '.join(_QUEUES)}, separated by commas")
        return ",".join(names)

    @field_validator("collection_write_consistency")
    @classmethod
    def _reachable_consistency(cls, given: int | None, info: object) -> int | None:
        replicas = getattr(info, "data", {}).get("collection_replicas") or 1
        if given is not None and given > replicas:
            raise ValueError(f"must not be above IMAGERAG_COLLECTION_REPLICAS ({replicas})")
        return given

    @field_validator("thumbnail_px", mode="before")
    @classmethod
    def _served_sizes(cls, given: object) -> object:
        sizes = given.split(",") if isinstance(given, str) else given
        try:
            found = tuple(sorted({int(size) for size in sizes}))  # type: ignore[attr-defined]
        except (TypeError, ValueError):
            found = ()
        if not found or not set(found) <= set(THUMBNAIL_SIZES_PX):
            raise ValueError(f"write some of {', '.join(map(str, THUMBNAIL_SIZES_PX))}, separated by commas")
        return found

    @field_validator("visibility_timeout_s")
    @classmethod
    def _outlasts_a_batch(cls, given: int, info: object) -> int:
        limit = getattr(info, "data", {}).get("batch_limit_s", 0)
        if given <= limit:
            raise ValueError(f"must be above IMAGERAG_WORKERS_BATCH_LIMIT_S ({limit:g})")
        return given

    @model_validator(mode="after")
    def _outlasts_a_caption(self) -> Self:
        if self.caption_base_url and self.caption_total_s >= self.batch_limit_s:
            limit = f"IMAGERAG_WORKERS_BATCH_LIMIT_S ({self.batch_limit_s:g})"
            raise ValueError(f"IMAGERAG_WORKERS_CAPTION_TOTAL_S must be below {limit}")
        return self
