"""The use case of `imagerag ingest`: upload in chunks, queue each chunk at once, follow all of them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from services.cli.errors import CliError
from services.cli.ingestion.entries import Entry, Failure, chunks
from services.cli.ingestion.following import Following, Totals
from services.cli.ingestion.planning import Plan
from services.cli.ingestion.uploads import Item, Sent, upload
from services.cli.rest.client import RestClient

CHUNK_ITEMS = 500
"""Items of one job: workers begin while the next chunk is uploaded."""
LISTED_ITEMS = 2_000
"""A table with more pictures than this brings a list of them."""


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
            "skipped": self.totals.skipped,
            "incomplete": self.totals.incomplete,
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
    ingestion = Ingestion(client, Sent(uploaded), progressed)
    ingestion.begin(Plan(entries=entries))
    return ingestion.end(wait=wait)


class Ingestion:
    """One command: what it has queued, and what could not be.

    Args:
        client: With patience.
        sent: Told of uploads.
        progressed: Called with every new state of the jobs.
        options: Of every job, as the REST interface names them.
    """

    def __init__(
        self,
        client: RestClient,
        sent: Sent,
        progressed: Callable[[Totals], None],
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._client, self._sent, self._options = client, sent, options
        self._following = Following(client, progressed)
        self._failures: list[Failure] = []

    @property
    def jobs(self) -> tuple[str, ...]:
        """Ids of what was queued so far, in order."""
        return self._following.job_ids()

    def begin(self, plan: Plan) -> None:
        """Queue everything: what the server reads itself first, so that it works while files are sent.

        Raises:
            CliError: The gateway cannot be used, or does not take a source.
        """
        self._failures.extend(plan.failures)
        for source in plan.sources:
            self._accepted(self._client.begin_job(source, self._options))
        for table in plan.tables:
            self._queue(self._as_table(self._upload(table)))
        for chunk in chunks(plan.entries, CHUNK_ITEMS):
            self._queue(self._upload(chunk))
            self._following.look()

    def end(self, *, wait: bool = True) -> Report:
        """Follow the jobs to their end, or only tell which there are."""
        if wait:
            self._following.to_the_end()
        totals = self._following.totals()
        failed = _failures_of(self._client, self.jobs) if wait and totals.failed else ()
        return Report(self.jobs, totals, (*self._failures, *failed))

    def _upload(self, entries: Sequence[Entry]) -> list[Item]:
        items, not_put = upload(self._client, entries, self._sent)
        self._failures.extend(not_put)
        return items

    def _as_table(self, items: list[Item]) -> list[Item]:
        """A table and its pictures, as one request takes them: of many pictures a list is uploaded."""
        if not items or "upload" not in items[0]:
            return []  # the table could not be sent, and nobody would know what the pictures are
        if len(items) <= LISTED_ITEMS:
            return items
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "pictures.jsonl")
            with path.open("w", encoding="utf-8") as file:
                for item in items[1:]:
                    file.write(json.dumps({"name": item["name"], "sha256": item["sha256"]}) + "\n")
            answer = self._client.put_file("/v1/uploads", path, lambda _bytes: None)
        return [{**items[0], "pictures": str(answer["sha256"])}]

    def _queue(self, items: Sequence[Item]) -> None:
        if not items:
            return
        try:
            self._accepted(self._client.create_job(items, self._options))
        except CliError as error:
            if "rejected" not in error.details:
                raise
            self._failures.extend(map(_failure, error.details["rejected"]))

    def _accepted(self, answer: Mapping[str, Any]) -> None:
        self._following.add(str(answer["job_id"]), int(answer["total"]), listed=bool(answer["listed"]))
        self._failures.extend(map(_failure, answer["rejected"]))


def _failures_of(client: RestClient, jobs: Sequence[str]) -> list[Failure]:
    return [_failure(failure) for job_id in jobs for failure in client.failures(job_id)]


def _failure(entry: Mapping[str, Any]) -> Failure:
    return Failure(str(entry["name"]), str(entry["code"]), str(entry["message"]))
