"""The small parent that keeps one process alive, as a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and process groups")
MODULE = "services.cli.cluster.respawn"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
)
GRANDPARENT = (
    "import subprocess, sys, time; child = subprocess.Popen(['sleep', '61']); "
    "print(child.pid, flush=True); time.sleep(60)"
)


@contextmanager
def keeper(log: Path, *command: str, owner: int | None = None) -> Iterator[subprocess.Popen[str]]:
    options = ["--log", str(log), "--owner", str(owner or os.getpid()), "--", *command]
    process = subprocess.Popen([sys.executable, "-m", MODULE, *options], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=20)


def wait_for(condition: Callable[[], bool], limit_s: float = 15.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.02)


def lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def is_there(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self").exists():
        return stat.exists() and ") Z " not in stat.read_text(encoding="utf-8")
    return subprocess.run(["ps", "-p", str(pid)], capture_output=True, check=False).returncode == 0


def test_a_process_that_ends_is_started_again(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "part.log"
    with keeper(log, sys.executable, "-c", "print('hello', flush=True)") as process:
        wait_for(lambda: len(lines(log)) >= 2)
        process.terminate()
        said, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert said.startswith("ended with status 0; starting again in 0.5 s")


def test_wrong_settings_are_given_up_at_once(tmp_path: Path) -> None:
    with keeper(tmp_path / "log", sys.executable, "-c", "raise SystemExit(2)") as process:
        said, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "given up" in said


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with keeper(tmp_path / "log", "/no/such/program") as process:
        said, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "/no/such/program" in said


def test_what_ignores_the_wish_to_end_is_ended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with keeper(log, sys.executable, "-c", STUBBORN) as process:
        wait_for(lambda: lines(log) == ["up"])
        started = time.monotonic()
        process.terminate()
        process.communicate(timeout=20)
    assert 3 < time.monotonic() - started < 10
    assert process.returncode == 0


def test_children_of_the_process_end_with_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with keeper(log, sys.executable, "-c", GRANDPARENT) as process:
        wait_for(lambda: bool(lines(log)))
        grandchild = int(lines(log)[0])
        assert is_there(grandchild)
        process.terminate()
        process.communicate(timeout=20)
    wait_for(lambda: not is_there(grandchild), 5.0)


def test_it_ends_with_its_owner(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        subprocess.Popen(["sleep", "60"]) as owner,
        keeper(log, sys.executable, "-c", GRANDPARENT, owner=owner.pid) as process,
    ):
        wait_for(lambda: bool(lines(log)))
        owner.kill()
        process.communicate(timeout=20)
        assert process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux to end the child")
def test_killed_itself_it_takes_the_process_along(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with keeper(
        log, sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    ) as process:
        wait_for(lambda: bool(lines(log)))
        child = int(lines(log)[0])
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    wait_for(lambda: not is_there(child), 5.0)


def test_a_long_log_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.truncate(21 * 1024 * 1024)
    with keeper(log, sys.executable, "-c", "raise SystemExit(2)") as process:
        process.communicate(timeout=20)
    assert (tmp_path / "log.1").stat().st_size == 21 * 1024 * 1024
    assert log.stat().st_size == 0
