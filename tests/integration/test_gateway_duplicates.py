"""Duplicates of a job over REST and on the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.common.domain import DuplicateKind, DuplicateOf
from services.common.jobs.records import JobOptions, JobSource, LineOutcome, ManifestLine, Outcome
from tests.fixtures.gateway import RunningGateway, running_gateway

NEAR = DuplicateOf("the-first", DuplicateKind.NEAR, 0.9712)
EXACT = DuplicateOf("the-first", DuplicateKind.EXACT)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path / "data") as running:
        yield running


def worked(gateway: RunningGateway) -> str:
    """The id of a job with one item that is new, one that was linked and one that was left out."""
    lines = [ManifestLine(name, key=name) for name in ("new", "linked", "left out")]
    options = JobOptions(duplicates="skip", near_duplicates="link")
    job = gateway.ledger.accept("default", lines, JobSource("upload"), options=options)
    outcomes = [
        LineOutcome(0, Outcome.STORED, "new", "id-0"),
        LineOutcome(1, Outcome.STORED, "linked", "id-1", duplicate_of=NEAR),
        LineOutcome(2, Outcome.SKIPPED, "left out", "the-first", duplicate_of=EXACT),
    ]
    gateway.ledger.record(job, outcomes)
    return job.id


async def test_they_are_counted_with_the_job(gateway: RunningGateway) -> None:
    job = (await gateway.client.get(f"/v1/jobs/{worked(gateway)}")).json()
    assert (job["stored"], job["skipped"]) == (2, 1)
    assert job["duplicates"] == {"linked_exact": 0, "linked_near": 1, "skipped_exact": 1, "skipped_near": 0}


async def test_they_are_listed_page_by_page(gateway: RunningGateway) -> None:
    address = f"/v1/jobs/{worked(gateway)}/duplicates"
    first = (await gateway.client.get(address, params={"limit": 1})).json()
    assert first == {
        "duplicates": [
            {
                "line": 1,
                "name": "linked",
                "kind": "near",
                "done": "linked",
                "id": "id-1",
                "first_id": "the-first",
                "similarity": 0.9712,
            }
        ],
        "next": 1,
    }
    rest = (await gateway.client.get(address, params={"limit": 1, "after": 1})).json()
    assert [(found["name"], found["id"], found["kind"]) for found in rest["duplicates"]] == [
        ("left out", None, "exact")
    ]
    assert rest["next"] is None


async def test_there_is_no_such_job(gateway: RunningGateway) -> None:
    assert (await gateway.client.get("/v1/jobs/none/duplicates")).status_code == 404
    assert (await gateway.client.get(f"/v1/jobs/{worked(gateway)}/duplicates?limit=0")).status_code == 422
