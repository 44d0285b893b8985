"""The way to the workers over a real broker: working, absent, frozen, full."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.common.errors import UnavailableError
from services.common.jobs.messages import INGEST_BATCH
from services.common.jobs.records import Job, JobSource
from services.common.telemetry.request_id import bind_request_id
from services.gateway.submission import CelerySubmission
from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.gateway import running_gateway

DEADLINE_S = 1.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ValkeyProcess]:
    with ValkeyProcess(tmp_path / "broker") as process:
        yield process


@pytest.fixture
def submission(broker: ValkeyProcess) -> Iterator[CelerySubmission]:
    submission = CelerySubmission(broker.url, DEADLINE_S)
    yield submission
    submission.close()


def job(total: int) -> Job:
    return Job("job-1", "shop", 7, total, datetime.now(UTC), JobSource("upload"), "interactive")


def test_every_batch_is_queued_with_the_request_id(broker: ValkeyProcess, submission: CelerySubmission) -> None:
    bind_request_id("order-66")
    submission.check()
    submission.publish(job(130))
    with broker.client() as client:
        messages = [json.loads(raw) for raw in client.lrange("interactive", 0, -1)]
    assert {message["headers"]["task"] for message in messages} == {INGEST_BATCH}
    assert {message["headers"]["x-request-id"] for message in messages} == {"order-66"}
    assert len(messages) == 3


def test_a_broker_that_comes_back_is_used_again(broker: ValkeyProcess, submission: CelerySubmission) -> None:
    submission.check()
    broker.kill()
    started = time.monotonic()
    with pytest.raises(UnavailableError) as raised:
        submission.check()
    assert time.monotonic() - started < 4 * DEADLINE_S
    assert raised.value.retry_after_s
    submission.publish(job(1))  # logged, not raised: the reconciler restores it
    broker.start()
    submission.check()
    submission.publish(job(1))
    with broker.client() as client:
        assert client.llen("interactive") == 1


def test_a_frozen_broker_is_given_up(broker: ValkeyProcess, submission: CelerySubmission) -> None:
    submission.check()
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(UnavailableError):
            submission.check()
        assert time.monotonic() - started < 6 * DEADLINE_S
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    submission.check()


def test_a_full_broker_takes_nothing(broker: ValkeyProcess, submission: CelerySubmission) -> None:
    submission.check()
    with broker.client() as client:
        client.config_set("maxmemory", "100kb")
        assert client.ping()
        with pytest.raises(UnavailableError):
            submission.check()
        client.config_set("maxmemory", "0")
    submission.check()


async def test_the_gateway_says_503_and_then_takes_the_job(broker: ValkeyProcess, tmp_path: Path) -> None:
    async with running_gateway(tmp_path / "data", broker_url=broker.url, submit_deadline_s=DEADLINE_S) as gateway:
        broker.kill()
        answer = await asyncio.wait_for(gateway.client.post("/v1/items", json={"text": "x"}), 8)
        assert (answer.status_code, answer.json()["retryable"]) == (503, True)
        assert int(answer.headers["retry-after"]) > 0
        assert gateway.ledger.jobs("default", 1) == []
        broker.start()
        await asyncio.sleep(0.6)
        answer = await gateway.client.post("/v1/items", json={"text": "x"})
        assert answer.status_code == 202
        assert gateway.ledger.open_jobs() == [("default", answer.json()["job_id"])]
        with broker.client() as client:
            assert client.llen("interactive") == 1
