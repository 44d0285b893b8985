"""What is kept of an uploaded file, and what a job says about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.common.jobs.records import ManifestLine


@dataclass(frozen=True)
class Upload:
    """A file that was uploaded.

    Attributes:
        sha256: Hex digest of its bytes.
        size_bytes: Length.
        received_at: When it came, the last time if it came several times.
        place: The folder in which its bytes lie.
    """

    sha256: str
    size_bytes: int
    received_at: datetime
    place: str


@dataclass(frozen=True)
class UploadedEntry:
    """One thing of a job with uploaded files.

    Attributes:
        line: Of a file: its name, and the tags and metadata of everything in it. Else the line itself.
        upload: Hex digest of the file; empty: the line is a picture that was put before, or words.
    """

    line: ManifestLine
    upload: str = ""
