"""From a job's source to what reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from services.common.errors import InvalidRequestError
from services.common.jobs.records import JobSource
from workers.sources.folder import FolderSource
from workers.sources.manifest import ManifestSource
from workers.sources.source import Source

OpenSource = Callable[[JobSource], Source]


def open_source(source: JobSource, roots: Sequence[Path]) -> Source:
    """The reader of a source; nothing is opened yet.

    Args:
        source: Of the job.
        roots: Folders of the server that may be read.

    Raises:
        InvalidRequestError: A source of this type is not read by workers.
    """
    match source.type:
        case "folder":
            return FolderSource(source.path, roots)
        case "manifest":
            return ManifestSource(source.path, roots)
    raise InvalidRequestError(f"A job with a source of the type {source.type!r} has nothing to read.")
