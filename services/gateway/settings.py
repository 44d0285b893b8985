"""Settings of the gateway."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from services.common.jobs.prefixes import parse_prefixes
from services.common.jobs.roots import parse_roots
from services.common.settings import ServiceSettings
from services.gateway.cross_origin import parse_origins
from services.gateway.proxies import parse_networks

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
    source_prefixes: str = Field(default="", validation_alias="IMAGERAG_SOURCE_PREFIXES")
    """URLs below which jobs may read objects, as `s3://bucket/photos`; as the workers have it. Empty: refused."""

    keys_path: Path | None = None
    """File of API key hashes (see docs); without it the gateway answers on loopback only, as tenant `default`."""

    key_requests_per_s: float = Field(default=50.0, gt=0, le=100_000)
    """Requests a second of a key that names no rate of its own; ten seconds' worth may come at once."""
    key_concurrent: int = Field(default=16, ge=1)
    """Requests at once of a key that names no bound of its own, in each gateway process."""
    cache_url: SecretStr | None = Field(default=None, validation_alias="CACHE_URL")
    """Redis in which the gateways count requests together; unset: each process counts for itself."""

    searches_in_flight: int = Field(default=32, ge=1)
    """Searches that run at once; more are refused with 503 at once, so that those that run stay quick."""
    questions_in_flight: int = Field(default=32, ge=1)
    """Questions that are answered at once; more are refused with 503."""
    uploads_in_flight: int = Field(default=8, ge=1)
    """Uploads and jobs that are read at once; each may hold a picture in memory. More are refused with 503."""
    files_in_flight: int = Field(default=8, ge=1)
    """Files of any kind that are received at once by PUT /v1/uploads; more are refused with 503."""
    others_in_flight: int = Field(default=128, ge=1)
    """Other requests (items, pictures, jobs) that run at once; more are refused with 503."""

    cors_origins: str = ""
    """Origins whose pages may call this gateway from a browser, comma separated; `*` (with keys): any."""
    trusted_proxies: str = ""
    """Addresses or networks of proxies whose X-Forwarded-For is believed in the audit log, comma separated."""
    hsts_s: int = Field(default=0, ge=0)
    """Seconds for which browsers insist on https; set it only where every way to here is https. 0: not sent."""

    body_limit_bytes: int = Field(default=MIB, ge=1024)
    """Largest JSON body, except for lists of items to ingest."""
    item_list_limit_bytes: int = Field(default=32 * MIB, ge=1024)
    """Largest JSON body that lists items to ingest."""
    picture_limit_bytes: int = Field(default=32 * MIB, ge=1024)
    """Largest single picture."""
    upload_limit_bytes: int = Field(default=512 * MIB, ge=1024)
    """Largest multipart body of one job."""
    upload_files: int = Field(default=500, ge=1)
    """Most files in one multipart body."""
    file_limit_bytes: int = Field(default=8 * 1024 * MIB, ge=1024)
    """Largest file of any kind by PUT /v1/uploads: an archive, a video, a document, a table."""
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

    @field_validator("source_prefixes")
    @classmethod
    def _check_prefixes(cls, text: str) -> str:
        parse_prefixes(text)
        return text

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, text: str) -> str:
        parse_origins(text)
        return text

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, text: str) -> str:
        parse_networks(text)
        return text

    def roots(self) -> tuple[Path, ...]:
        """The folders that server-side sources may read."""
        return parse_roots(self.source_roots)

    def prefixes(self) -> tuple[str, ...]:
        """The URLs below which server-side sources may read objects."""
        return parse_prefixes(self.source_prefixes)
