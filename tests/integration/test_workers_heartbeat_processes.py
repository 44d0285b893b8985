"""Real workers and a real beat keep their heartbeats."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fixtures.brokers import ValkeyProcess
from tests.fixtures.workers import Surroundings, WorkerProcess, wait_for

BEAT_LIMIT_S = 15.0


def surroundings(tmp_path: Path, broker: ValkeyProcess) -> Surroundings:
    made = Surroundings(tmp_path / "data", broker.url, "http://127.0.0.1:9", "127.0.0.1:9")
    made.settings |= {"IMAGERAG_WORKERS_HEARTBEAT_PATH": str(heartbeat(tmp_path))}
    return made


def heartbeat(tmp_path: Path) -> Path:
    return tmp_path / "heartbeat"


def beats_again(path: Path) -> None:
    path.unlink(missing_ok=True)
    wait_for(path.exists, BEAT_LIMIT_S)


@pytest.mark.parametrize("arguments", [(), ("beat",)], ids=["worker", "beat"])
def test_the_probe_finds_it_alive(tmp_path: Path, arguments: Sequence[str]) -> None:
    with ValkeyProcess(tmp_path / "broker") as broker:
        given = surroundings(tmp_path, broker)
        with WorkerProcess(given, "process", arguments):
            beats_again(heartbeat(tmp_path))
            probe = [sys.executable, "-m", "workers", "health"]
            subprocess.run(probe, env=given.environment(), check=True, timeout=60)


def test_it_beats_while_it_has_never_seen_the_broker(tmp_path: Path) -> None:
    broker = ValkeyProcess(tmp_path / "broker")
    process = WorkerProcess(surroundings(tmp_path, broker), "worker")
    process.start(wait=False)
    try:
        beats_again(heartbeat(tmp_path))
    finally:
        process.kill()


def test_a_stopped_process_beats_no_more(tmp_path: Path) -> None:
    with (
        ValkeyProcess(tmp_path / "broker") as broker,
        WorkerProcess(surroundings(tmp_path, broker), "worker") as process,
    ):
        beats_again(heartbeat(tmp_path))
        os.kill(process.pid, signal.SIGSTOP)
        heartbeat(tmp_path).unlink()
        time.sleep(7)
        assert not heartbeat(tmp_path).exists()
        os.kill(process.pid, signal.SIGCONT)
        wait_for(heartbeat(tmp_path).exists, BEAT_LIMIT_S)
