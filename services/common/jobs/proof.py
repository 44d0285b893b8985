"""Whether what a job accepted is all accounted for and there: its lines against the store. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from services.common.domain import LegName
from services.common.jobs.folding import count_duplicates
from services.common.jobs.records import DuplicateCounts, Job, LineOutcome, ManifestLine, Outcome
from services.common.standing import Standing

SHOWN_FINDINGS = 100
"""So many are named; the others are counted."""


class Fault(StrEnum):
    """What is wrong with one line."""

    NO_MANIFEST = "no_manifest"
    """The ledger has lost what was accepted."""
    NO_REASON = "no_reason"
    """It failed, and nobody knows why."""
    NOT_STORED = "not_stored"
    """Nothing stands under the item's id."""
    OUTDATED = "outdated"
    """An older write stands there."""
    NO_IMAGE_VECTOR = "no_image_vector"
    NO_TEXT_VECTOR = "no_text_vector"
    NO_PICTURE = "no_picture"
    """The picture's bytes are not in the media store."""


@dataclass(frozen=True)
class Finding:
    """A line that is not in order."""

    line: int
    name: str
    item_id: str
    fault: Fault


@dataclass
class Proof:
    """What was found so far.

    Attributes:
        lines: Lines by outcome; `PENDING` are those without one.
        faults: Lines by fault.
        findings: The first of these.
        present: Stored lines whose own write stands there, whole.
        replaced: Stored lines under whose id a newer write stands by now.
        deleted: Stored lines whose item was deleted since.
        incomplete: Lines whose item lacks an enrichment that failed.
        cancelled: The job was: lines without an end will never have one.
        duplicates: Lines whose picture was there before.
        firsts_deleted: Lines that were left out for the sake of an item that was deleted since.
    """

    lines: Counter[Outcome] = field(default_factory=Counter)
    faults: Counter[Fault] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    present: int = 0
    replaced: int = 0
    deleted: int = 0
    incomplete: int = 0
    cancelled: bool = False
    duplicates: DuplicateCounts = field(default_factory=DuplicateCounts)
    firsts_deleted: int = 0

    @property
    def checked(self) -> int:
        """Lines that were looked at."""
        return self.lines.total()

    def holds(self, job: Job) -> bool:
        """Whether every line of the job has its end, and everything is where it should be."""
        ended = job.listed and not self.lines[Outcome.PENDING]
        return ended and self.checked == job.total and not self.faults

    def note(self, found: Finding) -> None:
        """Count something that is wrong."""
        self.faults[found.fault] += 1
        if len(self.findings) < SHOWN_FINDINGS:
            self.findings.append(found)


@dataclass(frozen=True)
class CheckedPart:
    """A part of a job and all that is known about it.

    Attributes:
        lines: Numbers of the lines.
        manifest: The lines; fewer than there should be if some were lost.
        outcomes: By line.
        standing: What stands in the store, by item id.
        kept: Digests of pictures that the media store has.
    """

    lines: range
    manifest: Sequence[ManifestLine]
    outcomes: Mapping[int, LineOutcome]
    standing: Mapping[str, Standing]
    kept: frozenset[str]


def check_part(job: Job, part: CheckedPart, proof: Proof) -> None:
    """Add one part to the proof."""
    proof.duplicates += count_duplicates(part.outcomes.values())
    for number in part.lines:
        outcome = part.outcomes.get(number)
        proof.lines[outcome.outcome if outcome else Outcome.PENDING] += 1
        if number - part.lines.start >= len(part.manifest):
            proof.note(Finding(number, "", "", Fault.NO_MANIFEST))
        elif outcome:
            _check_line(job, part.manifest[number - part.lines.start], outcome, part, proof)


def _check_line(job: Job, line: ManifestLine, outcome: LineOutcome, part: CheckedPart, proof: Proof) -> None:
    standing = part.standing.get(outcome.item_id)
    proof.incomplete += bool(outcome.incomplete)
    proof.firsts_deleted += outcome.outcome is Outcome.SKIPPED and standing is not None and standing.deleted
    fault = _fault(job, outcome, standing)
    own = outcome.outcome is Outcome.STORED and standing is not None and fault is None
    if own and standing is not None:
        if standing.deleted:
            proof.deleted += 1
        elif (standing.job_id, standing.line) != (job.id, outcome.line):
            proof.replaced += 1
        else:
            fault = _missing_of(line, standing, part.kept)
            proof.present += fault is None
    if fault:
        proof.note(Finding(outcome.line, line.name, outcome.item_id, fault))


def _fault(job: Job, outcome: LineOutcome, standing: Standing | None) -> Fault | None:
    if outcome.outcome is Outcome.FAILED:
        return None if outcome.code else Fault.NO_REASON
    if not outcome.item_id and outcome.outcome is Outcome.MERGED:
        return None  # by the client's key, before any work: the line that it gave way to is checked itself
    if standing is None:
        return Fault.NOT_STORED
    # A duplicate was left out for the sake of an item that is older.
    if outcome.outcome is not Outcome.SKIPPED and standing.revision < job.revision_of(outcome.line):
        return Fault.OUTDATED
    return None


def _missing_of(line: ManifestLine, standing: Standing, kept: frozenset[str]) -> Fault | None:
    if line.sha256 or line.path or line.url:
        if LegName.IMAGE.value not in standing.vectors:
            return Fault.NO_IMAGE_VECTOR
        if standing.sha256 not in kept:
            return Fault.NO_PICTURE
    words = (line.title, line.text, *line.tags)
    if any(text.strip() for text in words) and LegName.TEXT.value not in standing.vectors:
        return Fault.NO_TEXT_VECTOR
    return None
