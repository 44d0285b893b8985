"""The order as one message sees it: what its lines wait for, and when others need not wait for them any more."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.common.jobs.records import Job
from workers.ingest.duplicates.arrivals import Arrival, ArrivalLog, Place, Seen
from workers.ingest.duplicates.choice import NearLimits, Wanted
from workers.ingest.duplicates.lines import LineState
from workers.ingest.duplicates.order import Awaited, Comer, Held, awaited, before
from workers.ingest.duplicates.ports import LineStates
from workers.ingest.report import Report

_FORGOTTEN_AFTER = timedelta(minutes=10)


@dataclass(frozen=True)
class Announced:
    """Lines of one message that have their places.

    Attributes:
        places: By line.
    """

    job: Job
    wanted: Wanted
    places: Mapping[int, Place]


class Waiting:
    """Announces lines, tells what they wait for, and settles what was announced. All calls block; thread-safe.

    Args:
        arrivals: The order.
        lines: Tells whether a line is still on its way.
        limits: What may look the same.
    """

    def __init__(self, arrivals: ArrivalLog, lines: LineStates, limits: NearLimits) -> None:
        self._arrivals, self._lines, self._limits = arrivals, lines, limits

    def announce(self, job: Job, wanted: Wanted, arrivals: Sequence[Arrival]) -> Announced:
        """Give lines their places; durable on return."""
        return Announced(job, wanted, self._arrivals.announce(job.tenant, job.id, arrivals))

    def held(
        self, announced: Announced, comers: Sequence[Comer], report: Report, *, is_late: bool
    ) -> dict[int, frozenset[Held]]:
        """What each line may have to wait for.

        Args:
            announced: The lines of the message.
            comers: Those of them that are not done.
            report: What became of the others.
            is_late: Halted jobs are not waited for any longer.
        """
        job, wanted = announced.job, announced.wanted
        seen = self._arrivals.look(job.tenant)
        ended = (outcome.line for outcome in report.outcomes)
        ours = {(job.id, line) for line in (*announced.places, *ended)}
        foreign = awaited(comers, seen, ours, wanted, self._limits)
        self._forget_one(job.tenant, seen)
        return {
            comer.arrival.line: frozenset(
                (
                    *before(comer, comers, wanted, self._limits),
                    *self._still_open(job.tenant, foreign[comer.arrival.line], is_late=is_late),
                )
            )
            for comer in comers
        }

    def _still_open(self, tenant: str, lines: Sequence[Awaited], *, is_late: bool) -> Iterator[Held]:
        for line in lines:
            state = self._lines.state(tenant, line.job_id, line.line)
            if state is LineState.ENDED or self._arrivals.is_settled(tenant, line.position):
                continue
            # A job that was halted finishes what has begun; what has not, may never come.
            if state is LineState.OPEN or not is_late:
                yield line.held

    def settle(self, announced: Announced, report: Report) -> None:
        """Tell the others which announcements are done with: all their lines are ours and have an outcome."""
        tenant = announced.job.tenant
        ended = {outcome.line for outcome in report.outcomes}
        seen = self._arrivals.look(tenant)
        for position in {position for position, _ in announced.places.values()}:
            announcement = seen.unsettled.get(position)
            if announcement and all(arrival.line in ended for arrival in announcement.arrivals):
                self._arrivals.settle(tenant, position)

    def _forget_one(self, tenant: str, seen: Seen) -> None:
        """Settle an old announcement that nobody did: a process died between its outcomes and this."""
        now = datetime.now(UTC)
        old = [each for each in seen.unsettled.values() if now - each.at > _FORGOTTEN_AFTER]
        if not old:
            return
        # Any of them: one that has to stay, of a job that is paused, must not hide the others.
        forgotten = random.choice(old)  # noqa: S311
        states = (self._lines.state(tenant, forgotten.job_id, arrival.line) for arrival in forgotten.arrivals)
        if all(state in (LineState.ENDED, LineState.CANCELLED) for state in states):
            self._arrivals.settle(tenant, forgotten.position)
