"""The recorded outcomes of one job: files that are only ever added, read once each."""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from collections.abc import Sequence

from services.common.jobs import encoding, layout
from services.common.jobs.folding import Entry, settle
from services.common.jobs.layout import JobFolder
from services.common.jobs.records import LineOutcome
from services.common.objects import ObjectStore
from services.common.revision import RevisionClock


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
        self._read: defaultdict[int, set[str]] = defaultdict(set)
        self._entries: defaultdict[int, list[Entry]] = defaultdict(list)
        self._lock = threading.Lock()

    def record(self, outcomes: Sequence[LineOutcome]) -> None:
        """Add outcomes; durable on return, one file for each part they belong to."""
        by_part: defaultdict[int, list[LineOutcome]] = defaultdict(list)
        for outcome in outcomes:
            by_part[layout.part_of(outcome.line, self._part_lines)].append(outcome)
        for part, held in by_part.items():
            name = layout.order_name(self._clock.next(), uuid.uuid4().hex)
            data = encoding.encode_lines(encoding.OUTCOME, held)
            self._objects.put(f"{self._folder.outcomes(part)}/{name}.jsonl", data)

    def settled(self, start: int, stop: int) -> dict[int, LineOutcome]:
        """The outcomes that hold, of lines `start` to `stop`; lines still to be done are absent."""
        with self._lock:
            first, last = (layout.part_of(line, self._part_lines) for line in (start, max(start, stop - 1)))
            for part in range(first, last + 1):
                self._refresh(part)
            lines = range(start, stop) if stop - start < len(self._entries) else sorted(self._entries)
            found = {line: settle(self._entries[line]) for line in lines if line in self._entries}
        return {line: outcome for line, outcome in found.items() if outcome and start <= line < stop}

    def _refresh(self, part: int) -> None:
        folder, read = self._folder.outcomes(part), self._read[part]
        for name in self._objects.list(folder):
            if name in read:
                continue
            data = self._objects.get(f"{folder}/{name}")
            for outcome in encoding.decode_lines(encoding.OUTCOME, data):
                self._entries[outcome.line].append(Entry(name, outcome))
            read.add(name)
