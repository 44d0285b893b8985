"""What the workers are told about what they may read, and how much of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from services.common.jobs.prefixes import parse_prefixes
from services.common.settings import ServiceSettings
from workers.fetching.addresses import Network, parse_networks
from workers.fetching.host_rules import HostRule, parse_host_rules
from workers.fetching.policy import FetchPolicy
from workers.opening.archives.limits import ArchiveLimits
from workers.opening.recordings.limits import VideoLimits

_MIB = 1024**2
_GIB = 1024**3
_SCAN_SHARE = 0.75


class SourceSettings(ServiceSettings):
    """The part of the workers' settings that bounds their sources."""

    source_prefixes: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), validation_alias="IMAGERAG_SOURCE_PREFIXES"
    )
    """URLs below which jobs may read objects, as `s3://bucket/photos`: comma separated or a JSON list. They are \
read with the server's own credentials, for every caller. Empty: such jobs are refused."""

    archive_limit_bytes: int = Field(default=64 * _GIB, ge=1024)
    """Largest archive."""
    archive_limit_unpacked_bytes: int = Field(default=16 * _GIB, ge=1024)
    """Most bytes of all members of an archive together."""
    archive_limit_members: int = Field(default=50_000, ge=1)
    """Most members of an archive."""
    archive_limit_ratio: int = Field(default=200, ge=2)
    """Most bytes that one byte of an archive may unpack to."""
    archive_limit_depth: int = Field(default=16, ge=0)
    """Most folders above a member of an archive."""

    video_looks_per_s: float = Field(default=2.0, gt=0, le=60)
    """Most frames of a video that are looked at, in a second of it."""
    video_still_s: float = Field(default=30.0, gt=0)
    """An unchanging scene of a video gives one picture in so many seconds; what looks like a picture of the last \
so many seconds gives none."""
    video_picture_px: int = Field(default=1280, ge=64, le=16_384)
    """Longest side of a picture from a video."""
    video_limit_pixels: int = Field(default=50_000_000, ge=1)
    """Most pixels of a frame."""
    video_limit_cpu_s: float = Field(default=180.0, gt=0)
    """Processor time for one reading of a video; what lies behind is left out, and the job says so."""

    url_hosts: Annotated[tuple[HostRule, ...], NoDecode] = ()
    """Hosts that may be fetched from: names, `*.example.com` for all below one, `*` for any; with `:port` if it \
is not 80 or 443. Comma separated or a JSON list."""
    url_fetch: bool = False
    """Whether jobs may name URLs to be fetched; of hosts on the public internet alone."""
    url_networks: Annotated[tuple[Network, ...], NoDecode] = ()
    """Networks that are not public and may be fetched from all the same, as `10.20.0.0/16`; comma separated or a \
JSON list."""
    url_limit_bytes: int = Field(default=256 * _MIB, ge=1024)
    """Largest document, video or archive that is fetched; for pictures the limit on pictures counts."""
    url_timeout_s: float = Field(default=45.0, gt=0, le=300)
    """Longest time for one URL, with its redirects and all tries."""
    url_at_once: int = Field(default=16, ge=1, le=256)
    """URLs that one process fetches at a time."""
    url_ca_path: Path | None = None
    """Authority of our own that certificates of fetched hosts may come from, PEM, beside the public ones."""

    @field_validator("url_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, given: object) -> object:
        return parse_host_rules(given) if isinstance(given, str) else given

    @field_validator("url_networks", mode="before")
    @classmethod
    def _split_networks(cls, given: object) -> object:
        return parse_networks(given) if isinstance(given, str) else given

    @field_validator("url_fetch")
    @classmethod
    def _names_hosts(cls, given: bool, info: ValidationInfo) -> bool:
        if given and not info.data.get("url_hosts", True):
            raise ValueError("set IMAGERAG_WORKERS_URL_HOSTS to the hosts that may be fetched from, or * for any")
        return given

    uploads_kept_hours: float = Field(default=24.0, gt=0)
    """Hours after which an uploaded file goes that no job has named."""
    uploads_grace_s: float = Field(default=3600.0, ge=0)
    """Seconds for which an uploaded file stays after it was sent or asked for, although its job has read it."""

    @field_validator("source_prefixes", mode="before")
    @classmethod
    def _split_prefixes(cls, given: object) -> object:
        return parse_prefixes(given) if isinstance(given, str) else given

    def archive_limits(self, member_bytes: int, message_s: float) -> ArchiveLimits:
        """The limits on archives.

        Args:
            member_bytes: Largest picture.
            message_s: Longest time for one message; the first part of an archive takes less.
        """
        return ArchiveLimits(
            max_bytes=self.archive_limit_bytes,
            scan_s=message_s * _SCAN_SHARE,
            max_members=self.archive_limit_members,
            max_unpacked_bytes=self.archive_limit_unpacked_bytes,
            max_member_bytes=member_bytes,
            max_ratio=self.archive_limit_ratio,
            max_depth=self.archive_limit_depth,
        )

    def video_limits(self) -> VideoLimits:
        """The limits on videos."""
        return VideoLimits(
            looks_per_s=self.video_looks_per_s,
            still_s=self.video_still_s,
            max_side_px=self.video_picture_px,
            max_pixels=self.video_limit_pixels,
            cpu_s=self.video_limit_cpu_s,
        )

    def fetch_policy(self) -> FetchPolicy | None:
        """What may be fetched from the web; None: nothing."""
        if not self.url_fetch:
            return None
        return FetchPolicy(
            hosts=self.url_hosts,
            networks=self.url_networks,
            limit_bytes=self.url_limit_bytes,
            timeout_s=self.url_timeout_s,
            at_once=self.url_at_once,
            ca_path=self.url_ca_path,
        )
