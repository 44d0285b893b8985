"""Jobs steered, watched and verified over REST, against a real ledger and a retriever of fixed behaviour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.cli.rest.events import Event, read_events
from services.common.jobs.deletes import DeleteLog
from services.common.jobs.records import Job, LineOutcome, Outcome
from services.common.objects import open_objects
from services.common.revision import moment_of, revision_at
from tests.fixtures.gateway import RunningGateway, drawn_picture, running_gateway

EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path / "data") as running:
        yield running


async def submit(gateway: RunningGateway, count: int) -> Job:
    files = [("files", (f"{number}.png", drawn_picture(number))) for number in range(count)]
    job_id = (await gateway.client.post("/v1/jobs", files=files)).json()["job_id"]
    return gateway.ledger.job("default", job_id)


async def post(gateway: RunningGateway, job: Job, act: str, **request: Any) -> Any:
    return await gateway.client.post(f"/v1/jobs/{job.id}/{act}", **request)


async def events_of(gateway: RunningGateway, path: str) -> list[Event]:
    async with gateway.client.stream("GET", path, headers=EVENTS) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        return list(read_events([line async for line in response.aiter_lines()]))


async def test_a_job_is_paused_and_resumed(gateway: RunningGateway) -> None:
    job = await submit(gateway, 2)
    assert (await post(gateway, job, "pause")).json()["state"] == "paused"
    assert gateway.ledger.control.is_paused(job)
    assert (await post(gateway, job, "resume")).json()["state"] == "running"
    assert not gateway.ledger.control.is_halted(job)
    await post(gateway, job, "cancel")
    for act in ("pause", "resume", "retry"):
        answer = await post(gateway, job, act)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


async def test_failures_are_done_again_all_or_by_code(gateway: RunningGateway) -> None:
    job = await submit(gateway, 4)
    gateway.work(job, fail=("1.png", "3.png"))
    gateway.ledger.close(job)
    nothing = (await post(gateway, job, "retry", json={"codes": ["internal"]})).json()
    assert (nothing["retried"], nothing["job"]["failed"]) == (0, 2)
    again = (await post(gateway, job, "retry")).json()
    assert (again["retried"], again["left"]) == (2, 0)
    assert (again["job"]["state"], again["job"]["pending"], again["job"]["closed_at"]) == ("running", 2, None)
    assert (await post(gateway, job, "retry", json={"codes": "all"})).status_code == 422


async def test_items_that_lack_something_are_done_again_alone(gateway: RunningGateway) -> None:
    job = await submit(gateway, 4)
    gateway.work(job, fail=("3.png",))
    whole = gateway.ledger.outcomes(job)[1]
    lacking = replace(whole, line=0, incomplete=("captions",), sha256="ab" * 32)
    for outcome in (LineOutcome(0, Outcome.PENDING), lacking):
        gateway.ledger.record(job, [outcome])
    progress = (await gateway.client.get(f"/v1/jobs/{job.id}")).json()
    assert (progress["stored"], progress["incomplete"]) == (3, 1)
    both = await post(gateway, job, "retry", json={"incomplete": True, "codes": ["internal"]})
    assert (both.status_code, both.json()["code"]) == (422, "invalid_request")
    again = (await post(gateway, job, "retry", json={"incomplete": True})).json()
    assert (again["retried"], again["left"], again["job"]["failed"], again["job"]["pending"]) == (1, 0, 1, 1)
    assert gateway.ledger.books.log(job).pictures(0, job.total) == {0: "ab" * 32}
    assert (await post(gateway, job, "retry", json={"incomplete": True})).json()["retried"] == 0


async def test_a_job_is_watched_to_its_end(gateway: RunningGateway) -> None:
    job = await submit(gateway, 3)

    async def work() -> None:
        await asyncio.sleep(1.5)
        gateway.work(job, fail=("2.png",))

    events, _ = await asyncio.gather(events_of(gateway, f"/v1/jobs/{job.id}/events"), work())
    assert [event.name for event in events][-1] == "done"
    assert {event.name for event in events[:-1]} == {"progress"}
    first, last = events[0].data, events[-1].data
    assert (first["pending"], first["rate_per_s"], first["eta_s"]) == (3, None, None)
    assert (last["stored"], last["failed"], last["eta_s"]) == (2, 1, 0)
    assert last["rate_per_s"] > 0


async def test_a_whole_job_is_proven_and_a_broken_one_is_not(gateway: RunningGateway) -> None:
    job = await submit(gateway, 3)
    path = f"/v1/jobs/{job.id}/verify"
    before = (await gateway.client.get(path)).json()
    assert (before["proven"], before["pending"], before["faults"], before["cancelled"]) == (False, 3, {}, False)
    gateway.work(job, fail=("2.png",))
    proof = (await gateway.client.get(path)).json()
    assert (proof["proven"], proof["stored"], proof["present"], proof["failed"]) == (True, 2, 2, 1)
    *progress, done = await events_of(gateway, path)
    assert [event.data for event in progress] == [{"checked": 3, "total": 3}]
    assert (done.name, done.data) == ("done", proof)

    lost = gateway.ledger.outcomes(job)[0].item_id
    del gateway.items.of("default")[lost]
    broken = (await gateway.client.get(path)).json()
    assert (broken["proven"], broken["faults"]) == (False, {"not_stored": 1})
    assert broken["findings"] == [{"line": 0, "name": "0.png", "id": lost, "fault": "not_stored"}]


@pytest.mark.parametrize("path", ["events", "verify"])
async def test_an_unknown_job(gateway: RunningGateway, path: str) -> None:
    assert (await gateway.client.get(f"/v1/jobs/unknown/{path}", headers=EVENTS)).status_code == 404


async def test_a_cancelled_job_says_so_in_its_proof(gateway: RunningGateway) -> None:
    job = await submit(gateway, 2)
    await post(gateway, job, "cancel")
    proof = (await gateway.client.get(f"/v1/jobs/{job.id}/verify")).json()
    assert (proof["proven"], proof["cancelled"], proof["pending"]) == (False, True, 2)


async def test_a_delete_is_written_down_and_a_vain_one_is_not(gateway: RunningGateway, tmp_path: Path) -> None:
    job = await submit(gateway, 2)
    gateway.work(job)
    item_id = gateway.ledger.outcomes(job)[0].item_id
    log = DeleteLog(open_objects(str(tmp_path / "data")))
    assert (await gateway.client.delete(f"/v1/items/{item_id}")).status_code == 204
    assert (await gateway.client.delete(f"/v1/items/{item_id}")).status_code == 404
    (delete,) = log.since(moment_of(job.revision))
    assert (delete.tenant, delete.item_id) == ("default", item_id)
    assert delete.revision > job.revision > revision_at(job.created_at) - (1 << 24)


async def test_failed_lines_of_another_tenant_stay(gateway: RunningGateway) -> None:
    job = await submit(gateway, 1)
    gateway.ledger.record(job, [LineOutcome(0, Outcome.FAILED, "0.png", code="internal", attempts=4)])
    other = gateway.ledger.accept("other", gateway.ledger.lines(job, 0, 1), job.source)
    gateway.ledger.record(other, [LineOutcome(0, Outcome.FAILED, "0.png", code="internal", attempts=4)])
    assert (await post(gateway, other, "retry")).status_code == 404
    assert (await post(gateway, job, "retry")).json()["retried"] == 1
    assert gateway.ledger.progress("other", other.id).failed == 1
