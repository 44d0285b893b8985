"""The records of a job, as they stand in its ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from services.common.domain import DuplicateOf, Position
from services.common.jobs.layout import PART_LINES

BATCH_ITEMS = 64
"""Lines that one queue message stands for."""


@dataclass(frozen=True)
class ManifestLine:
    """One accepted thing to ingest.

    A picture is named by `sha256` (its bytes are in the media store), by `path` (a worker reads it there), or by
    `url` alone: it could not be fetched when it was listed, and is when the line is done again.

    Attributes:
        name: What a person knows it by: a file name or a line of their manifest.
        key: The client's own id, unique in the tenant; empty: the id follows from the bytes (see `ids`).
        key_column: Told apart from other items with the same bytes; part of the id where `key` is empty.
    """

    name: str
    key: str = ""
    key_column: str = ""
    sha256: str = ""
    path: str = ""
    url: str = ""
    title: str = ""
    text: str = ""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    source_uri: str = ""
    document_id: str = ""
    position: Position | None = None


SourceType = Literal["upload", "auto", "folder", "manifest", "archive", "document", "video", "prefix", "urls"]
"""`upload` was posted to the gateway; the others are read by a worker. `auto` goes by what the path is."""
DuplicatePolicy = Literal["keep", "link", "skip"]
"""`keep` stores a duplicate like any item, `link` stores it with the id of the first, `skip` stores the first
alone and reports the other."""


@dataclass(frozen=True)
class JobSource:
    """Where a job's lines came from.

    Attributes:
        type: See `SourceType`.
        path: Path or URL on the server; of an upload, what a person knows it by: a file's name, or nothing.
    """

    type: SourceType
    path: str = ""


@dataclass(frozen=True)
class JobOptions:
    """What is to be done with the lines beyond storing them.

    Attributes:
        columns: Of a table: its column by the field of a line that it fills.
        ocr: Read the text inside pictures.
        captions: Have a vision model describe pictures.
        tags: Have a model name what is seen, in single words.
        duplicates: What happens to a picture with the same bytes as another item's.
        near_duplicates: What happens to a picture that looks like another item's.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    ocr: bool = False
    captions: bool = False
    tags: bool = False
    duplicates: DuplicatePolicy = "keep"
    near_duplicates: DuplicatePolicy = "keep"

    @property
    def enriches(self) -> bool:
        """Whether more is to be found out about pictures."""
        return self.ocr or self.captions or self.tags


NO_OPTIONS = JobOptions()


@dataclass(frozen=True)
class Job:
    """The header of a ledger, written last: with it the job is accepted.

    A *streamed* job is accepted before its source is read. Its lines become known part by part, and each part is a
    write of its own: of two lines with the same id the later part counts.

    Attributes:
        revision: Every line of the job is this one write; of two lines with the same id the first is stored
            and the other reported as merged, unless they share a client's key: then the later line counts.
        total: Number of lines; of a streamed job, as far as they are known.
        queue: `interactive` (a person waits) or `bulk`.
        traceparent: The trace that it was accepted in, so that later tries link to it; empty: none.
        part_lines: Lines of each part of the manifest but the last.
        streamed: The lines come from a listing.
        listed: All lines are known.
        options: What else is to be done.
    """

    id: str
    tenant: str
    revision: int
    total: int
    created_at: datetime
    source: JobSource
    queue: Literal["interactive", "bulk"] = "bulk"
    traceparent: str = ""
    part_lines: int = PART_LINES
    streamed: bool = False
    listed: bool = True
    options: JobOptions = field(default_factory=JobOptions)

    def revision_of(self, line: int) -> int:
        """The revision that a line is written with.

        The parts of a streamed job count up from the job's own. A revision's lower twelve bits count within a
        millisecond, so that a job accepted a moment later is still newer than the whole of this one.
        """
        return self.revision + line // self.part_lines if self.streamed else self.revision


@dataclass(frozen=True)
class Extent:
    """How far the lines of a streamed job are known.

    Attributes:
        lines: Known lines, a whole number of parts until the listing is complete.
        complete: No more will come.
        cursor: Where the source goes on, in its own words.
    """

    lines: int = 0
    complete: bool = False
    cursor: str = ""


class Outcome(StrEnum):
    """What became of a line."""

    STORED = "stored"
    """In the store at this job's revision, read back."""
    MERGED = "merged"
    """Another line of the same job is the same item."""
    SUPERSEDED = "superseded"
    """A newer write or delete of the item came first; that one stands."""
    FAILED = "failed"
    """Given up; the reason is recorded."""
    SKIPPED = "skipped"
    """A duplicate of another item, left out because the job says so; `LineOutcome.item_id` is that item's."""
    PENDING = "pending"
    """To be done again: it was stored and is no longer found, or it failed and someone wants it tried anew."""


@dataclass(frozen=True)
class LineOutcome:
    """The end of one line.

    Attributes:
        line: 0-based.
        item_id: Empty if the line failed before its id was known.
        code: Code of the error tree, for `FAILED`.
        message: What a person can do about it, for `FAILED`.
        attempts: How often it was tried; 0: its end was known before any work.
        incomplete: Enrichments that failed, for `STORED`: `ocr`, `captions`, `tags`. For `PENDING`: those that the
            line is done again for; if that fails, what it was before holds on.
        sha256: The picture of an incomplete line, by which it can be done again without its source.
        duplicate_of: The item that has the same picture: of `STORED`, its own item is linked to that one; of
            `SKIPPED`, that one is there in its stead.
    """

    line: int
    outcome: Outcome
    name: str = ""
    item_id: str = ""
    code: str = ""
    message: str = ""
    attempts: int = 1
    incomplete: tuple[str, ...] = ()
    sha256: str = ""
    duplicate_of: DuplicateOf | None = None


@dataclass(frozen=True)
class ListedPart:
    """The first line of a part of a streamed job; the part's lines follow.

    Attributes:
        extent: How far the lines are known with this part.
        known: Outcomes of lines that need no work.
        token: Tells the part from one that another listing would have written in its place.
    """

    extent: Extent
    known: tuple[LineOutcome, ...] = ()
    token: str = ""


@dataclass(frozen=True)
class Attempt:
    """One try at a range of lines, noted before the work begins and removed when it ends in any orderly way.

    A note that stays is a try that ended with its process, or in an error nobody foresaw.

    Attributes:
        start: First line.
        stop: Line behind the last one.
        token: Name of the note.
        earlier: Notes that were there already: of this range and, for a single line, of its batch.
    """

    start: int
    stop: int
    token: str
    earlier: int


@dataclass(frozen=True)
class Retried:
    """What became of the wish to do lines again.

    Attributes:
        lines: Lines that are to be done again.
        left: Failed lines of which nothing was kept that could be: they failed when the source was read.
    """

    lines: int
    left: int


@dataclass(frozen=True)
class DuplicateCounts:
    """Lines whose picture was there before, by what was done and in which way it was the same."""

    linked_exact: int = 0
    linked_near: int = 0
    skipped_exact: int = 0
    skipped_near: int = 0

    def __add__(self, other: DuplicateCounts) -> DuplicateCounts:
        """Both together."""
        return DuplicateCounts(
            self.linked_exact + other.linked_exact,
            self.linked_near + other.linked_near,
            self.skipped_exact + other.skipped_exact,
            self.skipped_near + other.skipped_near,
        )

    @property
    def total(self) -> int:
        """All of them."""
        return self.linked_exact + self.linked_near + self.skipped_exact + self.skipped_near


JobState = Literal["running", "paused", "done", "cancelled"]


@dataclass(frozen=True)
class JobProgress:
    """How far a job is; stored, merged, superseded, failed, skipped and pending add up to `total`.

    Attributes:
        state: `done` once every line has an outcome.
        attempts: Tries that the finished lines took, added up.
        closed_at: When the stored lines were found in the store once more and the ledger was closed.
        incomplete: Stored lines that an enrichment failed on.
        duplicates: Lines whose picture was there before, among the stored and the skipped ones.
    """

    job: Job
    state: JobState
    stored: int
    merged: int
    superseded: int
    failed: int
    pending: int
    attempts: int
    closed_at: datetime | None = None
    skipped: int = 0
    incomplete: int = 0
    duplicates: DuplicateCounts = field(default_factory=DuplicateCounts)
