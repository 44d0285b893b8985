"""From a job's source to what reads it."""

from __future__ import annotations

from collections.abc import Callable

from services.common.errors import InvalidRequestError
from services.common.jobs.records import Job, JobSource
from workers.sources.archive import ArchiveSource
from workers.sources.auto import AutoSource, OpenPath
from workers.sources.document import DocumentSource
from workers.sources.folder import FolderSource
from workers.sources.manifest import ManifestSource
from workers.sources.prefix import open_prefix
from workers.sources.source import Source, SourceTools
from workers.sources.urls import UrlsSource
from workers.sources.video import VideoSource

OpenJob = Callable[[Job], Source]
"""The reader of a job's source; nothing is opened yet. Raises InvalidRequestError as `open_source` does."""


def _folder(path: str, tools: SourceTools) -> Source:
    return FolderSource(path, tools.roots)


SOURCES: dict[str, OpenPath] = {
    "archive": ArchiveSource,
    "document": DocumentSource,
    "folder": _folder,
    "manifest": ManifestSource,
    "prefix": open_prefix,
    "urls": UrlsSource,
    "video": VideoSource,
}
"""What opens a path, by type of source; `auto` chooses among them."""


def open_source(source: JobSource, tools: SourceTools) -> Source:
    """The reader of a source; nothing is opened yet.

    Args:
        source: Of the job.
        tools: What it may use.

    Raises:
        InvalidRequestError: A source of this type is not read by workers.
    """
    if source.type == "auto":
        return AutoSource(source.path, tools, SOURCES)
    if source.type in SOURCES:
        return SOURCES[source.type](source.path, tools)
    raise InvalidRequestError(f"A job with a source of the type {source.type!r} has nothing to read.")
