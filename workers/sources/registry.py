"""From a job's source to what reads it."""

from __future__ import annotations

from collections.abc import Callable

from services.common.errors import InvalidRequestError
from services.common.jobs.records import Job, JobSource
from workers.sources.folder import FolderSource
from workers.sources.manifest import ManifestSource
from workers.sources.source import Source, SourceTools

OpenJob = Callable[[Job], Source]
"""The reader of a job's source; nothing is opened yet. Raises InvalidRequestError as `open_source` does."""


def open_source(source: JobSource, tools: SourceTools) -> Source:
    """The reader of a source; nothing is opened yet.

    Args:
        source: Of the job.
        tools: What it may use.

    Raises:
        InvalidRequestError: A source of this type is not read by workers.
    """
    match source.type:
        case "folder":
            return FolderSource(source.path, tools.roots)
        case "manifest":
            return ManifestSource(source.path, tools.roots)
    raise InvalidRequestError(f"A job with a source of the type {source.type!r} has nothing to read.")
