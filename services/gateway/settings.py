"""Settings of the gateway."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from services.common.jobs.roots import parse_roots
from services.common.settings import ServiceSettings

MIB = 1024 * 1024


class GatewaySettings(ServiceSettings):
    """Environment variables with the prefix IMAGERAG_GATEWAY_, and the shared ones named by their aliases."""

    model_config = SettingsConfigDict(env_prefix="IMAGERAG_GATEWAY_")

    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""

    data_url: str = Field(default="./imagerag-data", validation_alias="IMAGERAG_DATA_URL")
    """Where pictures and job ledgers are kept: a folder, `file://`, `s3://`."""
    broker_url: str = Field(default="redis://127.0.0.1:6379/0", validation_alias="BROKER_URL")
    """The Celery broker that carries jobs to the workers."""
    retriever_url: str = Field(default="127.0.0.1:50052", validation_alias="IMAGERAG_RETRIEVER_URL")
    """`host:port` of the retriever."""
    generator_url: str = Field(default="127.0.0.1:50053", validation_alias="IMAGERAG_GENERATOR_URL")
    """`host:port` of the generator."""
    encoder_url: str = Field(default="127.0.0.1:50051", validation_alias="IMAGERAG_ENCODER_URL")
    """`host:port` of the encoder; asked only for the model's name and notice."""
    source_roots: str = Field(default="", validation_alias="IMAGERAG_SOURCE_ROOTS")
    """Folders that server-side jobs may read: comma separated or a JSON list. Empty: such jobs are refused."""

    keys_path: Path | None = None
    """File of API key hashes (see docs); without it the gateway answers on loopback only, as tenant `default`."""

    body_limit_bytes: int = Field(default=MIB, ge=1024)
    """Largest JSON body, except for lists of items to ingest."""
    item_list_limit_bytes: int = Field(default=32 * MIB, ge=1024)
    """Largest JSON body that lists items to ingest."""
    picture_limit_bytes: int = Field(default=32 * MIB, ge=1024)
    """Largest single picture."""
    upload_limit_bytes: int = Field(default=512 * MIB, ge=1024)
    """Largest multipart body of one job."""
    upload_files: int = Field(default=500, ge=1)
    """Most pictures in one multipart body."""
    body_grace_s: float = Field(default=10.0, gt=0)
    """Seconds a body may take, plus one second for every 16 KiB that arrived."""
    header_s: float = Field(default=10.0, gt=0)
    """Seconds from a connection's first byte to the end of the request's header."""

    search_deadline_s: float = Field(default=15.0, gt=0)
    """Longest wait for a search."""
    lookup_deadline_s: float = Field(default=5.0, gt=0)
    """Longest wait for one item, a delete or a facet."""
    answer_deadline_s: float = Field(default=120.0, gt=0)
    """Longest time from a question to the end of its answer."""
    submit_deadline_s: float = Field(default=3.0, gt=0)
    """Longest wait for the broker when a job is submitted."""
    probe_deadline_s: float = Field(default=1.5, gt=0)
    """Longest wait for each part that `/readyz` asks."""

    @field_validator("source_roots")
    @classmethod
    def _check_roots(cls, text: str) -> str:
        parse_roots(text)
        return text

    def roots(self) -> tuple[Path, ...]:
        """The folders that server-side sources may read."""
        return parse_roots(self.source_roots)
