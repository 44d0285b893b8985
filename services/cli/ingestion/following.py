"""Watches jobs until nothing of them is pending."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.cli.rest.client import RestClient

_FIRST_LOOK_S = 0.1
_SLOWEST_LOOK_S = 1.0


@dataclass(frozen=True)
class Totals:
    """The state of several jobs together; the counts add up to `total`."""

    total: int = 0
    stored: int = 0
    merged: int = 0
    superseded: int = 0
    failed: int = 0
    pending: int = 0
    running: bool = False

    @property
    def settled(self) -> int:
        """Items whose end is known."""
        return self.total - self.pending


def add_up(jobs: Sequence[Mapping[str, Any]]) -> Totals:
    """The totals of jobs as the REST interface shows them."""

    def total(name: str) -> int:
        return sum(int(job[name]) for job in jobs)

    return Totals(
        total=total("total"),
        stored=total("stored"),
        merged=total("merged"),
        superseded=total("superseded"),
        failed=total("failed"),
        pending=total("pending"),
        running=any(job["state"] == "running" and (int(job["pending"]) > 0 or not job["listed"]) for job in jobs),
    )


def follow(client: RestClient, job_ids: Sequence[str], show: Callable[[Totals], None]) -> Totals:
    """Ask for the jobs until each is done or cancelled.

    Args:
        client: With patience: workers and gateway may restart meanwhile.
        job_ids: The jobs.
        show: Called with every new state.
    """
    pause_s = _FIRST_LOOK_S
    finished: dict[str, Mapping[str, Any]] = {}
    while True:
        current = [finished.get(job_id) or client.job(job_id) for job_id in job_ids]
        finished.update({str(job["id"]): job for job in current if not add_up([job]).running})
        totals = add_up(current)
        show(totals)
        if not totals.running:
            return totals
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _SLOWEST_LOOK_S)
