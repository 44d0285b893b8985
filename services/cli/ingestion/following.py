"""Follows jobs through the gateway's events until nothing of them is pending."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.cli.jobs.watching import follow_events
from services.cli.rest.client import RestClient

Json = Mapping[str, Any]
_LOOKED_AT = 16


@dataclass(frozen=True)
class Totals:
    """The state of several jobs together; the counts from `stored` to `pending` add up to `total`.

    Attributes:
        incomplete: Of the stored ones, those that an enrichment failed on.
        running: Something is still to be done.
        paused: A job is, and goes on only when it is resumed.
        listed: No more items will come.
        rate_per_s: Items that come to their end in a second now; None: not known yet.
    """

    total: int = 0
    stored: int = 0
    merged: int = 0
    superseded: int = 0
    failed: int = 0
    skipped: int = 0
    pending: int = 0
    incomplete: int = 0
    running: bool = False
    paused: bool = False
    listed: bool = True
    rate_per_s: float | None = None

    @property
    def settled(self) -> int:
        """Items whose end is known."""
        return self.total - self.pending

    @property
    def eta_s(self) -> float | None:
        """Seconds until everything is done at this rate; None: nobody knows."""
        if not self.listed or self.paused:
            return None
        return self.pending / self.rate_per_s if self.rate_per_s else None


def add_up(jobs: Sequence[Json]) -> Totals:
    """The totals of jobs as the REST interface shows them, alone or in events."""

    def total(name: str) -> int:
        return sum(int(job.get(name, 0)) for job in jobs)

    going = [job for job in jobs if _is_going(job)]
    rates = [float(job["rate_per_s"]) for job in going if job.get("rate_per_s") is not None]
    return Totals(
        total=total("total"),
        stored=total("stored"),
        merged=total("merged"),
        superseded=total("superseded"),
        failed=total("failed"),
        skipped=total("skipped"),
        pending=total("pending"),
        incomplete=total("incomplete"),
        running=bool(going),
        paused=any(job["state"] == "paused" for job in going),
        listed=all(job["listed"] for job in going),
        rate_per_s=sum(rates) if rates else None,
    )


class Following:
    """The jobs of one command, and what is known of them.

    Args:
        client: With patience: workers and gateway may restart meanwhile.
        show: Called with every new state of all of them together.
    """

    def __init__(self, client: RestClient, show: Callable[[Totals], None]) -> None:
        self._client, self._show = client, show
        self._known: dict[str, Json] = {}

    def add(self, job_id: str, total: int, *, listed: bool) -> None:
        """A job was accepted.

        Args:
            job_id: Its id.
            total: Its items, as far as they are known.
            listed: They are all known.
        """
        self._known[job_id] = {"total": total, "pending": total, "state": "running", "listed": listed}

    def job_ids(self) -> tuple[str, ...]:
        """The jobs, in order."""
        return tuple(self._known)

    def totals(self) -> Totals:
        """What is known now."""
        return add_up(list(self._known.values()))

    def look(self) -> None:
        """Ask once how far the first jobs are that still go on; more may be coming, so nobody waits for them."""
        going = [job_id for job_id, job in self._known.items() if _is_going(job)]
        for job_id in going[:_LOOKED_AT]:
            self._known[job_id] = self._client.job(job_id)
        self._show(self.totals())

    def to_the_end(self) -> None:
        """Listen to the jobs, one after the other as they were accepted, until each is done or cancelled."""
        for job_id in self._known:
            for event in follow_events(self._client, job_id):
                self._known[job_id] = event.data
                self._show(self.totals())


def _is_going(job: Json) -> bool:
    return job["state"] in ("running", "paused") and (int(job["pending"]) > 0 or not job["listed"])
