"""Jobs whose lines become known part by part, while a worker reads their source.

The header is written first and says that the job is streamed: from then on it is accepted. A part is one object
that holds its lines, what is known of them already, and where the source goes on. It is created only if there is
none of its number: of two listings that run at once, because one lost its lease without noticing, one writes the
part and the other ends. Clocks and leases decide nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from services.common.errors import ConflictError, NotFoundError
from services.common.jobs import encoding, layout
from services.common.jobs.cache import RecentlyUsed
from services.common.jobs.folding import shadowed_by_key
from services.common.jobs.layout import LISTED_PART_LINES, JobFolder
from services.common.jobs.records import Extent, Job, LineOutcome, ListedPart, ManifestLine
from services.common.objects import ObjectStore

MOST_PARTS = 4096
"""As many revisions as one millisecond has, see `Job.revision_of`."""
MAX_LISTED_LINES = (MOST_PARTS - 1) * LISTED_PART_LINES
"""The last part is for the line that says that there is more."""


class Listing:
    """Reads and extends what is known of streamed jobs. All calls block; thread-safe.

    Args:
        objects: Where the ledger is kept.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._newest: RecentlyUsed[JobFolder, Extent] = RecentlyUsed(1024)

    def extent(self, job: Job) -> Extent:
        """How far the lines are known."""
        folder = _folder(job)
        seen = self._newest.find(folder) or Extent()
        if seen.complete or not self._exists_after(job, seen):
            return seen
        seen = max(seen, self._noted(folder), key=_reach)
        while not seen.complete and self._exists_after(job, seen):
            seen = self._part(job, layout.part_of(seen.lines, job.part_lines))[0].extent
        self._newest.put(folder, seen)
        return seen

    def as_known(self, job: Job) -> Job:
        """The job with the number of lines that are known now."""
        if not job.streamed:
            return job
        extent = self.extent(job)
        return replace(job, total=extent.lines, listed=extent.complete)

    def extend(
        self,
        job: Job,
        lines: Sequence[ManifestLine],
        outcomes: Sequence[LineOutcome],
        *,
        cursor: str = "",
        complete: bool = False,
    ) -> Job:
        """Add one part. On return its lines survive a crash and may be worked on.

        Args:
            job: As it is known.
            lines: Exactly a part's, or at most that many of the last part.
            outcomes: Of lines that need no work: rejected ones.
            cursor: Where the source goes on behind these lines.
            complete: No lines follow.

        Returns:
            The job as it is known now.

        Raises:
            ConflictError: The part is there already: another process lists this job.
        """
        if len(lines) != job.part_lines and not (complete and len(lines) < job.part_lines):
            raise ValueError("only the last part may be short")
        shadowed = [replace(found, line=found.line + job.total) for found in shadowed_by_key(lines)]
        known = (*shadowed, *outcomes)
        extent = Extent(job.total + len(lines), complete, cursor)
        self._create(job, ListedPart(extent, known, uuid.uuid4().hex), lines)
        self._newest.put(_folder(job), extent)
        return replace(job, total=extent.lines, listed=extent.complete)

    def set_aside(
        self, job: Job, lines: Sequence[ManifestLine], outcomes: Sequence[LineOutcome], cursor: str
    ) -> None:
        """Keep the lines of a part that is not full yet, so that a slow source need not be read again for them.

        Nobody works on them before they are a part. They may be lost, and two listings may set aside different
        numbers of lines: what was set aside holds only for whoever reads on from its cursor.

        Args:
            job: As it is known.
            lines: Fewer than a part's.
            outcomes: Of lines that need no work: rejected ones.
            cursor: Where the source goes on behind these lines.
        """
        part = ListedPart(Extent(job.total, cursor=cursor), tuple(outcomes))
        data = encoding.encode_lines(encoding.LISTED_PART, [part]) + encoding.encode_lines(encoding.LINE, lines)
        self._objects.put(_folder(job).set_aside, data)

    def taken_up(self, job: Job) -> tuple[ListedPart, Sequence[ManifestLine]]:
        """What was set aside of the next part, or an empty part; its cursor is where the source goes on.

        Args:
            job: As it is known.
        """
        extent = self.extent(job)
        try:
            part, lines = _split(self._objects.get(_folder(job).set_aside))
        except NotFoundError:
            return ListedPart(extent), ()
        if part.extent.lines != extent.lines:
            return ListedPart(extent), ()  # of a part that was written since
        return part, encoding.decode_lines(encoding.LINE, lines)

    def lines(self, job: Job, part: int) -> Sequence[ManifestLine]:
        """The lines of one part."""
        return encoding.decode_lines(encoding.LINE, self._part(job, part)[1])

    def known_outcomes(self, job: Job, part: int) -> Sequence[LineOutcome]:
        """What was known of a part's lines when it was listed."""
        return self._part(job, part)[0].known

    def _create(self, job: Job, part: ListedPart, lines: Sequence[ManifestLine]) -> None:
        folder, number = _folder(job), layout.part_of(job.total, job.part_lines)
        data = encoding.encode_lines(encoding.LISTED_PART, [part]) + encoding.encode_lines(encoding.LINE, lines)
        if not self._objects.create(folder.listed(number), data):
            raise ConflictError("Another process lists this job.")
        # What is lost here by a crash can be read from the part itself; see `known_outcomes`.
        if part.known:
            name = f"{folder.outcomes(number)}/{layout.LISTED}.jsonl"
            self._objects.put(name, encoding.encode_lines(encoding.OUTCOME, part.known))
        self._objects.put(folder.listing, encoding.EXTENT.dump_json(part.extent))

    def _exists_after(self, job: Job, extent: Extent) -> bool:
        return self._objects.exists(_folder(job).listed(layout.part_of(extent.lines, job.part_lines)))

    def _noted(self, folder: JobFolder) -> Extent:
        """A late copy, to begin with: the parts themselves decide."""
        try:
            return encoding.EXTENT.validate_json(self._objects.get(folder.listing))
        except NotFoundError:
            return Extent()

    def _part(self, job: Job, part: int) -> tuple[ListedPart, bytes]:
        return _split(self._objects.get(_folder(job).listed(part)))


def write_known_outcomes(
    objects: ObjectStore, folder: JobFolder, part: int, outcomes: Sequence[LineOutcome]
) -> None:
    """Write the outcomes of one part that are known before any work; older ones of a cut short try go."""
    name = f"{folder.outcomes(part)}/{layout.ACCEPTED}.jsonl"
    if outcomes:
        objects.put(name, encoding.encode_lines(encoding.OUTCOME, outcomes))
    else:
        objects.delete(name)


def _split(data: bytes) -> tuple[ListedPart, bytes]:
    head, _, lines = data.partition(b"\n")
    return encoding.LISTED_PART.validate_json(head), lines


def _reach(extent: Extent) -> tuple[int, bool]:
    return extent.lines, extent.complete


def _folder(job: Job) -> JobFolder:
    return JobFolder(job.tenant, job.id)
