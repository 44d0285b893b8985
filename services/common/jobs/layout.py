"""Names of a ledger's objects.

    jobs/<tenant>/<job>/job.json                      the header, written last: with it the job is accepted
                        manifest/<part>.jsonl         `Job.part_lines` lines each
                        listed/<part>.jsonl           the same of a streamed job; the first line says what follows
                        listing.json                  a late copy of the newest of these first lines
                        set_aside.jsonl               lines of a part that is not full yet, as in `listed`
                        asked                         what the request itself named: a URL a line
                        outcomes/<part>/<order>.jsonl of that part's lines
                        tally.json                    parts that have come to an end, counted
                        taken_back                    changes whenever such a part is opened again
                        attempts/<start>-<stop>/<order>
                        cancelled, paused             present or not
                        closed.json                   the final numbers
    open/<tenant>.<job>                               from before acceptance until the job is closed
    recent/<tenant>/<revision>.<job>                  for listing by age

Parts keep folders small: a listed job of a million lines has 3,907 of them, with some five outcome files each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PART_LINES = 4096
"""Lines of a part, where all of them are known at once."""
LISTED_PART_LINES = 256
"""Where they become known one after the other: what is listed can be worked on once its part is full."""
JOBS = "jobs"
"""Holds a folder a tenant, and in it one a job."""
OPEN = "open"
ACCEPTED = "0"
"""Order of the outcomes that were known when the job was accepted: before every recorded one."""
LISTED = "0-listed"
"""The same of a part of a streamed job."""

_ORDER_DIGITS = 16
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def is_job_id(text: str) -> bool:
    """Whether `text` may name a job: 1 to 64 of letters, digits, `-` and `_`, letter or digit first."""
    return _JOB_ID.fullmatch(text) is not None


def part_of(line: int, part_lines: int) -> int:
    """The part that holds a line."""
    return line // part_lines


def parts(total: int, part_lines: int) -> range:
    """The parts of a job of `total` lines."""
    return range((total + part_lines - 1) // part_lines)


def lines_of(part: int, total: int, part_lines: int) -> range:
    """The lines of a part of a job of `total` lines."""
    return range(part * part_lines, min((part + 1) * part_lines, total))


def order_name(revision: int, token: str) -> str:
    """A name that sorts by time."""
    return f"{revision:016d}-{token}"


def revision_in(name: str) -> int:
    """The revision that a name of `order_name` begins with; 0 for names that come before all of these."""
    head = name.partition("-")[0]
    return int(head) if len(head) == _ORDER_DIGITS else 0


def open_marker(tenant: str, job_id: str) -> str:
    """Present while the reconciler has to look at the job."""
    return f"{OPEN}/{tenant}.{job_id}"


def recent_folder(tenant: str) -> str:
    """Holds one marker a job of the tenant, sorted by age."""
    return f"recent/{tenant}"


def recent_marker(tenant: str, revision: int, job_id: str) -> str:
    """One marker of `recent_folder`."""
    return f"{recent_folder(tenant)}/{revision:016d}.{job_id}"


@dataclass(frozen=True)
class JobFolder:
    """Names below one job."""

    tenant: str
    job_id: str

    @property
    def root(self) -> str:
        """The folder itself."""
        return f"{JOBS}/{self.tenant}/{self.job_id}"

    @property
    def header(self) -> str:
        """The header."""
        return f"{self.root}/job.json"

    @property
    def listing(self) -> str:
        """How far the lines were known a moment ago."""
        return f"{self.root}/listing.json"

    @property
    def set_aside(self) -> str:
        """Lines of a part that is not full yet."""
        return f"{self.root}/set_aside.jsonl"

    @property
    def asked(self) -> str:
        """What the request named one by one, a line each."""
        return f"{self.root}/asked"

    @property
    def tally(self) -> str:
        """The numbers of parts whose lines all have an outcome."""
        return f"{self.root}/tally.json"

    @property
    def taken_back(self) -> str:
        """Holds another token after each time that a line with an outcome was to be done again."""
        return f"{self.root}/taken_back"

    @property
    def paused(self) -> str:
        """Present while the job is paused."""
        return f"{self.root}/paused"

    @property
    def cancelled(self) -> str:
        """Present once the job is cancelled."""
        return f"{self.root}/cancelled"

    @property
    def closed(self) -> str:
        """The final numbers."""
        return f"{self.root}/closed.json"

    def manifest(self, part: int) -> str:
        """One part of the manifest."""
        return f"{self.root}/manifest/{part:05d}.jsonl"

    def listed(self, part: int) -> str:
        """One part of a streamed job."""
        return f"{self.root}/listed/{part:05d}.jsonl"

    def outcomes(self, part: int) -> str:
        """The folder of one part's outcomes."""
        return f"{self.root}/outcomes/{part:05d}"

    def attempts(self, start: int, stop: int) -> str:
        """The folder of the attempts at one range of lines."""
        return f"{self.root}/attempts/{start}-{stop}"
