"""Names of a ledger's objects.

    jobs/<tenant>/<job>/job.json                      the header, written last: with it the job is accepted
                        listing.json                  of a job that is still being listed: how far it is known
                        manifest/<part>.jsonl         `Job.part_lines` lines each
                        outcomes/<part>/<order>.jsonl of that part's lines
                        attempts/<start>-<stop>/<order>
                        cancelled
                        closed.json                   the final numbers
    open/<tenant>.<job>                               from before acceptance until the job is closed
    recent/<tenant>/<revision>.<job>                  for listing by age

Parts keep folders small: a job of a million lines has 245 of them, with 64 outcome files each.
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


def order_name(revision: int, token: str) -> str:
    """A name that sorts by time."""
    return f"{revision:016d}-{token}"


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
        """How far the lines are known; absent if they were known from the beginning."""
        return f"{self.root}/listing.json"

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

    def outcomes(self, part: int) -> str:
        """The folder of one part's outcomes."""
        return f"{self.root}/outcomes/{part:05d}"

    def attempts(self, start: int, stop: int) -> str:
        """The folder of the attempts at one range of lines."""
        return f"{self.root}/attempts/{start}-{stop}"
