"""The recorded outcomes of one job: files that are only ever added. A few parts at a time are in memory."""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.common.jobs import encoding, layout
from services.common.jobs.cache import RecentlyUsed
from services.common.jobs.folding import Entry, settle
from services.common.jobs.layout import JobFolder
from services.common.jobs.records import LineOutcome, Outcome
from services.common.objects import ObjectStore
from services.common.revision import RevisionClock

_LINES_IN_MEMORY = 4096


@dataclass
class _Part:
    """What was read of one part.

    Attributes:
        read: Names of files.
        newest: The last of these.
    """

    read: set[str] = field(default_factory=set)
    newest: str = ""
    entries: defaultdict[int, list[Entry]] = field(default_factory=lambda: defaultdict(list))


class OutcomeLog:
    """Reads and adds outcomes of one job. Several processes may add at once. Thread-safe.

    Args:
        objects: Where the ledger is kept.
        clock: Orders what is recorded.
        folder: The job's names.
        part_lines: Of the job.
    """

    def __init__(self, objects: ObjectStore, clock: RevisionClock, folder: JobFolder, part_lines: int) -> None:
        self._objects, self._clock, self._folder = objects, clock, folder
        self._part_lines = part_lines
        self._parts: RecentlyUsed[int, _Part] = RecentlyUsed(max(2, _LINES_IN_MEMORY // part_lines))
        self._lock = threading.Lock()

    def record(self, outcomes: Sequence[LineOutcome]) -> None:
        """Add outcomes; durable on return, one file for each part they belong to."""
        by_part: defaultdict[int, list[LineOutcome]] = defaultdict(list)
        for outcome in outcomes:
            by_part[layout.part_of(outcome.line, self._part_lines)].append(outcome)
        for part, held in by_part.items():
            name = layout.order_name(self._next_order(part), uuid.uuid4().hex)
            data = encoding.encode_lines(encoding.OUTCOME, held)
            self._objects.put(f"{self._folder.outcomes(part)}/{name}.jsonl", data)
        if any(outcome.outcome is Outcome.PENDING for outcome in outcomes):
            self._objects.put(self._folder.taken_back, uuid.uuid4().hex.encode())

    def files(self, part: int) -> list[str]:
        """Names of what was recorded of one part, in order."""
        return self._objects.list(self._folder.outcomes(part))

    def settled(self, start: int, stop: int) -> dict[int, LineOutcome]:
        """The outcomes that hold, of lines `start` to `stop`; lines still to be done are absent."""
        found: dict[int, LineOutcome] = {}
        first, last = (layout.part_of(line, self._part_lines) for line in (start, max(start, stop - 1)))
        for part in range(first, last + 1):
            found |= self.settled_part(part)
        return {line: outcome for line, outcome in found.items() if start <= line < stop}

    def settled_part(self, part: int, files: Sequence[str] | None = None) -> dict[int, LineOutcome]:
        """As `settled`, of one part.

        Args:
            part: Which one.
            files: What `files` said a moment ago.
        """
        with self._lock:
            known = self._refresh(part, self.files(part) if files is None else files)
            settled = {line: settle(entries) for line, entries in sorted(known.entries.items())}
        return {line: outcome for line, outcome in settled.items() if outcome}

    def pictures(self, start: int, stop: int) -> dict[int, str]:
        """Digests of the pictures of lines that were put back with theirs, so that they can be done again."""
        found: dict[int, str] = {}
        first, last = (layout.part_of(line, self._part_lines) for line in (start, max(start, stop - 1)))
        for part in range(first, last + 1):
            with self._lock:
                known = self._refresh(part, self.files(part))
                for line, entries in known.entries.items():
                    digests = [entry.outcome.sha256 for entry in entries if entry.outcome.sha256]
                    if digests and start <= line < stop:
                        found[line] = digests[-1]
        return found

    def _next_order(self, part: int) -> int:
        """Behind what this process has read of the part, even if another machine's clock is ahead.

        To take something back, or to do again what was taken back, one must have read it.
        """
        known = self._parts.find(part)
        return max(self._clock.next(), layout.revision_in(known.newest) + 1 if known else 0)

    def _refresh(self, part: int, files: Sequence[str]) -> _Part:
        known = self._parts.get(part, _Part)
        for name in files:
            if name in known.read:
                continue
            data = self._objects.get(f"{self._folder.outcomes(part)}/{name}")
            for outcome in encoding.decode_lines(encoding.OUTCOME, data):
                known.entries[outcome.line].append(Entry(name, outcome))
            known.read.add(name)
            known.newest = max(known.newest, name)
        return known
