"""An outage of the broker, longer than a main loop may give no sign, is no reason to restart a worker."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.workers import Surroundings, WorkerProcess, wait_for
from workers.heartbeat import _FRESH_S

pytestmark = pytest.mark.faults
BEAT_LIMIT_S = 15.0


@pytest.mark.parametrize("arguments", [(), ("beat",)], ids=["worker", "beat"])
def test_the_heart_beats_through_an_outage(tmp_path: Path, arguments: Sequence[str]) -> None:
    path = tmp_path / "heartbeat"
    with ValkeyProcess(tmp_path / "broker") as broker:
        given = Surroundings(tmp_path / "data", broker.url, "http://127.0.0.1:9", "127.0.0.1:9")
        given.settings |= {"IMAGERAG_WORKERS_HEARTBEAT_PATH": str(path)}
        with WorkerProcess(given, "process", arguments) as process:
            _beats_again(path)
            broker.kill()
            time.sleep(_FRESH_S + 5)
            _beats_again(path)
            broker.start()
            time.sleep(_FRESH_S + 5)
            _beats_again(path)
            assert process.is_running()


def _beats_again(path: Path) -> None:
    path.unlink(missing_ok=True)
    wait_for(path.exists, BEAT_LIMIT_S)
