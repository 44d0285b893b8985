"""Names of the objects that uploads are kept under.

    uploads/<tenant>/data/<time>-<random>/file     the bytes; nothing lies beside them in their folder
                     known/<sha256>.json           which of these holds the file; without it they are nobody's
                     sets/<job>.jsonl              when it was written; then what the job is made of, line by line

A job that has read all of its files needs neither its set nor the files that only it names: see `sweep`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from services.common.tenant import check_tenant

ROOT = "uploads"
"""Holds a folder a tenant."""
DATA, KNOWN, SETS = "data", "known", "sets"
_TIME = "%Y%m%dT%H%M%S"


def tenant_folder(tenant: str) -> str:
    """What one tenant uploaded."""
    return f"{ROOT}/{check_tenant(tenant)}"


def new_place(tenant: str, now: datetime) -> str:
    """A folder for the bytes of one upload, never used before."""
    return f"{tenant_folder(tenant)}/{DATA}/{now.astimezone(UTC).strftime(_TIME)}-{uuid.uuid4().hex}"


def began_at(place: str) -> datetime:
    """When the upload into a folder of `new_place` began."""
    stamp = place.rsplit("/", 1)[-1].partition("-")[0]
    return datetime.strptime(stamp, _TIME).replace(tzinfo=UTC)


def bytes_in(place: str) -> str:
    """The one object in a folder of `new_place`."""
    return f"{place}/file"


@dataclass(frozen=True)
class Names:
    """Names below one tenant."""

    tenant: str

    def known(self, sha256: str) -> str:
        """What is known of a file."""
        return f"{tenant_folder(self.tenant)}/{KNOWN}/{sha256}.json"

    def set_of(self, job_id: str) -> str:
        """What a job is made of."""
        return f"{tenant_folder(self.tenant)}/{SETS}/{job_id}.jsonl"
