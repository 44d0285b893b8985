"""Jobs whose lines become known part by part, while a worker reads their source.

The header is written first and says that the job is streamed: from then on it is accepted. Each part is written
before the extent that counts it, so a crash in between leaves a part that no one has read; the next listing begins
at the extent's cursor and writes that part anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.common.errors import NotFoundError
from services.common.jobs import encoding, layout
from services.common.jobs.folding import shadowed_by_key
from services.common.jobs.layout import LISTED_PART_LINES, JobFolder
from services.common.jobs.records import Extent, Job, LineOutcome, ManifestLine
from services.common.objects import ObjectStore

MOST_PARTS = 4096
"""As many revisions as one millisecond has, see `Job.revision_of`."""
MAX_LISTED_LINES = (MOST_PARTS - 1) * LISTED_PART_LINES
"""The last part is for the line that says that there is more."""


class Listing:
    """Reads and extends what is known of streamed jobs. All calls block.

    Only the holder of the job's listing lease may extend it.

    Args:
        objects: Where the ledger is kept.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def extent(self, job: Job) -> Extent:
        """How far the lines are known."""
        try:
            return encoding.EXTENT.validate_json(self._objects.get(_folder(job).listing))
        except NotFoundError:
            return Extent()

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
        """
        if len(lines) != job.part_lines and not (complete and len(lines) < job.part_lines):
            raise ValueError("only the last part may be short")
        if lines:
            self._write(job, lines, outcomes)
        extent = Extent(job.total + len(lines), complete, cursor)
        self._objects.put(_folder(job).listing, encoding.EXTENT.dump_json(extent))
        return replace(job, total=extent.lines, listed=extent.complete)

    def _write(self, job: Job, lines: Sequence[ManifestLine], outcomes: Sequence[LineOutcome]) -> None:
        part = layout.part_of(job.total, job.part_lines)
        shadowed = [replace(found, line=found.line + job.total) for found in shadowed_by_key(lines)]
        folder = _folder(job)
        write_known_outcomes(self._objects, folder, part, [*shadowed, *outcomes])
        self._objects.put(folder.manifest(part), encoding.encode_lines(encoding.LINE, lines))


def write_known_outcomes(
    objects: ObjectStore, folder: JobFolder, part: int, outcomes: Sequence[LineOutcome]
) -> None:
    """Write the outcomes of one part that are known before any work; older ones of a cut short try go."""
    name = f"{folder.outcomes(part)}/{layout.ACCEPTED}.jsonl"
    if outcomes:
        objects.put(name, encoding.encode_lines(encoding.OUTCOME, outcomes))
    else:
        objects.delete(name)


def _folder(job: Job) -> JobFolder:
    return JobFolder(job.tenant, job.id)
