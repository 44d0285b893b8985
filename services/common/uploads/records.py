"""What is kept of an uploaded file, and what a job says about it."""

from __future__ import annotations

from collections.abc import Iterator
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
        pictures: Of a table: hex digest of an uploaded list of the pictures that it names, see `NamedPicture`.
    """

    line: ManifestLine
    upload: str = ""
    pictures: str = ""

    def uploads(self) -> Iterator[str]:
        """The digests of the files that it needs."""
        yield from filter(None, (self.upload, self.pictures))


@dataclass(frozen=True)
class NamedPicture:
    """A line of such a list, as JSON: a picture that was put before.

    Attributes:
        name: Relative to the table's folder.
        sha256: Hex digest of its bytes.
    """

    name: str
    sha256: str
