"""The heartbeat: a file whose age tells whether a main loop turns."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workers.health import check_health
from workers.heartbeat import Heartbeat, heartbeat_age_s
from workers.settings import WorkersSettings

EVERY_S, FRESH_S = 0.02, 0.2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "heartbeat"


def started(path: Path) -> Heartbeat:
    heartbeat = Heartbeat(path, EVERY_S, FRESH_S)
    heartbeat.start()
    return heartbeat


def is_touched(path: Path, within_s: float = 1.0) -> bool:
    path.unlink(missing_ok=True)
    deadline = time.monotonic() + within_s
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(EVERY_S / 2)
    return path.exists()


def test_it_beats_while_it_waits_for_the_broker(path: Path) -> None:
    started(path)
    time.sleep(2 * FRESH_S)
    assert is_touched(path)


def test_it_stops_when_the_loop_gives_no_more_signs(path: Path) -> None:
    heartbeat = started(path)
    heartbeat.sign()
    assert is_touched(path)
    time.sleep(1.5 * FRESH_S)
    assert not is_touched(path, within_s=FRESH_S)
    heartbeat.sign()
    assert is_touched(path)


def test_waiting_ends_with_a_sign(path: Path) -> None:
    heartbeat = started(path)
    with heartbeat.waiting():
        time.sleep(1.5 * FRESH_S)
        assert is_touched(path)
    time.sleep(1.5 * FRESH_S)
    assert not is_touched(path, within_s=FRESH_S)


def test_a_file_that_cannot_be_written_grows_old_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "heartbeat"
    started(path)
    assert not is_touched(path, within_s=0.1)
    path.parent.mkdir()
    assert is_touched(path)


@pytest.mark.parametrize(("age_s", "status"), [(None, 1), (0, 0), (50, 0), (70, 1)])
def test_the_status_follows_the_age(path: Path, age_s: float | None, status: int) -> None:
    if age_s is not None:
        path.touch()
        os.utime(path, (time.time() - age_s,) * 2)
    assert check_health(WorkersSettings(heartbeat_path=path, heartbeat_limit_s=60)) == status


def test_a_clock_that_was_put_back_makes_no_negative_age(path: Path) -> None:
    path.touch()
    os.utime(path, (time.time() + 3600,) * 2)
    assert heartbeat_age_s(path) == 0


def test_without_a_path_the_probe_says_what_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_health(WorkersSettings(heartbeat_path=None)) == 2
    assert "IMAGERAG_WORKERS_HEARTBEAT_PATH" in capsys.readouterr().err


def test_the_probe_is_quick_to_start(path: Path) -> None:
    """It runs every few seconds in every container: neither Celery nor gRPC may come along."""
    path.touch()
    asked = (
        "import sys, runpy; sys.argv = ['workers', 'health']\n"
        "try: runpy.run_module('workers', run_name='__main__')\n"
        "except SystemExit as end: print(end.code, sorted({'celery', 'grpc', 'qdrant_client'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked],
        env=os.environ | {"IMAGERAG_WORKERS_HEARTBEAT_PATH": str(path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "0 []"
