"""The use case of `imagerag ingest`: gather, upload in chunks, queue each chunk at once, follow all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from services.cli.errors import CliError
from services.cli.ingestion.entries import Entry, Failure, chunks
from services.cli.ingestion.following import Totals, follow
from services.cli.ingestion.uploads import Item, upload
from services.cli.rest.client import RestClient

CHUNK_ITEMS = 500
"""Items of one job: workers begin while the next chunk is uploaded."""


@dataclass(frozen=True)
class Report:
    """What became of everything that was to be ingested.

    Attributes:
        jobs: Ids of the jobs, in order.
        totals: Of all jobs together.
        failures: Before the jobs and in them.
    """

    jobs: tuple[str, ...]
    totals: Totals
    failures: tuple[Failure, ...]

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "jobs": list(self.jobs),
            "total": self.totals.total,
            "stored": self.totals.stored,
            "merged": self.totals.merged,
            "superseded": self.totals.superseded,
            "pending": self.totals.pending,
            "failed": len(self.failures),
            "failures": [vars(failure) for failure in self.failures],
        }


def ingest(
    client: RestClient,
    entries: list[Entry],
    *,
    uploaded: Callable[[], None],
    progressed: Callable[[Totals], None],
    wait: bool = True,
) -> Report:
    """Bring `entries` into the cluster.

    Args:
        client: With patience.
        entries: What `gather` found.
        uploaded: Called after each upload, from several threads.
        progressed: Called with every new state of the jobs.
        wait: Until every job is done; else return when the last is queued.
    """
    jobs, failures, accepted = list[str](), list[Failure](), 0
    for chunk in chunks(entries, CHUNK_ITEMS):
        items, not_put = upload(client, chunk, uploaded)
        failures.extend(not_put)
        job_id, rejected = _queue(client, items)
        failures.extend(rejected)
        if job_id:
            jobs.append(job_id)
            accepted += len(items) - len(rejected)
    totals = follow(client, jobs, progressed) if wait else Totals(total=accepted, pending=accepted)
    failures.extend(_failures_of(client, jobs) if totals.failed else [])
    return Report(tuple(jobs), totals, tuple(failures))


def _queue(client: RestClient, items: Sequence[Item]) -> tuple[str, list[Failure]]:
    """The new job's id, empty if the gateway took nothing, and what it rejected."""
    if not items:
        return "", []
    try:
        answer = client.create_job(items)
    except CliError as error:
        if "rejected" not in error.details:
            raise
        return "", [_rejected(entry) for entry in error.details["rejected"]]
    return str(answer["job_id"]), [_rejected(entry) for entry in answer["rejected"]]


def _failures_of(client: RestClient, jobs: Sequence[str]) -> list[Failure]:
    return [_rejected(failure) for job_id in jobs for failure in client.failures(job_id)]


def _rejected(entry: Any) -> Failure:
    return Failure(str(entry["name"]), str(entry["code"]), str(entry["message"]))
