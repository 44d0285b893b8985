"""The numbers of a job, part by part: once all lines of a part have an outcome it is not read again."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import TypeAdapter

from services.common.errors import NotFoundError
from services.common.jobs import layout
from services.common.jobs.folding import count, count_duplicates
from services.common.jobs.layout import JobFolder
from services.common.jobs.outcomes import OutcomeLog
from services.common.jobs.records import DuplicateCounts, Job, Outcome
from services.common.objects import ObjectStore


@dataclass(frozen=True)
class PartNumbers:
    """The numbers of one part.

    Attributes:
        files: Stands for the names of the files that were counted.
        counts: Lines by outcome; lines still to be done are in none.
        attempts: Tries that these lines took, added up.
        incomplete: Stored lines that an enrichment failed on.
        duplicates: Lines whose picture was there before.
    """

    files: str
    counts: Mapping[Outcome, int]
    attempts: int
    incomplete: int = 0
    duplicates: DuplicateCounts = field(default_factory=DuplicateCounts)

    @property
    def settled(self) -> int:
        """Lines with an outcome."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class _Saved:
    """What other processes need not count again.

    Attributes:
        epoch: `JobFolder.taken_back` when it was counted.
        parts: Of which every line had an outcome.
    """

    epoch: str
    parts: Mapping[int, PartNumbers] = field(default_factory=dict)


_SAVED = TypeAdapter(_Saved)
_NOTHING = PartNumbers("", {}, 0)


class Tally:
    """Counts one job. About 400 bytes a part stay in memory. All calls block; thread-safe.

    Args:
        objects: Where the ledger is kept.
        folder: The job's names.
        log: Gives the job's outcomes; they take more room than the numbers and are kept for fewer jobs.
    """

    def __init__(self, objects: ObjectStore, folder: JobFolder, log: Callable[[], OutcomeLog]) -> None:
        self._objects, self._folder, self._log = objects, folder, log
        self._parts: dict[int, PartNumbers] = {}
        self._epoch: str | None = None
        self._saved = 0
        self._lock = threading.Lock()

    def parts(self, job: Job, *, exact: bool = False) -> list[PartNumbers]:
        """The numbers of every known part.

        Args:
            job: As it is known.
            exact: Also look whether something was recorded for a part that has come to an end: a line that ran
                twice at once may have got a second outcome. What was taken back is seen in any case.
        """
        with self._lock:
            epoch = self._current_epoch()
            if self._epoch is None:
                self._load()
            trusted = epoch == self._epoch and not exact
            found = [self._look(job, part, trusted=trusted) for part in layout.parts(job.total, job.part_lines)]
            self._epoch = epoch
        return found

    def open_parts(self, job: Job) -> Iterator[int]:
        """Parts with lines that are still to be done."""
        for part, numbers in enumerate(self.parts(job)):
            if numbers.settled < len(layout.lines_of(part, job.total, job.part_lines)):
                yield part

    def save(self, job: Job) -> None:
        """Write down the parts that have come to an end, if there are new ones. By one process at a time."""
        with self._lock:
            ended = {part: found for part, found in self._parts.items() if self._has_ended(job, part, found)}
            if len(ended) == self._saved or self._epoch is None:
                return
            self._objects.put(self._folder.tally, _SAVED.dump_json(_Saved(self._epoch, ended)))
            self._saved = len(ended)

    def _look(self, job: Job, part: int, *, trusted: bool) -> PartNumbers:
        known = self._parts.get(part, _NOTHING)
        if trusted and self._has_ended(job, part, known):
            return known
        names = self._log().files(part)
        files = _stand_for(names)
        if files != known.files:
            settled = self._log().settled_part(part, names)
            attempts = sum(outcome.attempts for outcome in settled.values())
            incomplete = sum(bool(outcome.incomplete) for outcome in settled.values())
            duplicates = count_duplicates(settled.values())
            known = self._parts[part] = PartNumbers(files, dict(count(settled)), attempts, incomplete, duplicates)
        return known

    def _has_ended(self, job: Job, part: int, found: PartNumbers) -> bool:
        return found.settled == len(layout.lines_of(part, job.total, job.part_lines))

    def _current_epoch(self) -> str:
        try:
            return self._objects.get(self._folder.taken_back).decode()
        except NotFoundError:
            return ""

    def _load(self) -> None:
        try:
            saved = _SAVED.validate_json(self._objects.get(self._folder.tally))
        except NotFoundError:
            return
        self._parts, self._saved = dict(saved.parts), len(saved.parts)
        self._epoch = saved.epoch


@dataclass(frozen=True)
class JobNumbers:
    """The numbers of a whole job; the fields are those of `PartNumbers`."""

    counts: Counter[Outcome]
    attempts: int
    incomplete: int
    duplicates: DuplicateCounts


def add_up(parts: Sequence[PartNumbers]) -> JobNumbers:
    """The numbers of all parts together."""
    counts: Counter[Outcome] = Counter()
    for part in parts:
        counts.update(part.counts)
    return JobNumbers(
        counts,
        sum(part.attempts for part in parts),
        sum(part.incomplete for part in parts),
        sum((part.duplicates for part in parts), DuplicateCounts()),
    )


def _stand_for(names: Sequence[str]) -> str:
    if not names:
        return ""
    return hashlib.blake2b("\n".join(names).encode(), digest_size=8).hexdigest()
