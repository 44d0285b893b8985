"""A process that stays, for real: whatever a question does to it, the next one is answered."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import (
    ImageFormatError,
    ImageragError,
    ImageWorkerLostError,
    InternalError,
    InvalidRequestError,
    UnavailableError,
    UnimplementedError,
)
from workers.sandbox.parts import Part
from workers.sandbox.resident import Resident, ResidentLimits

MODULE = "tests.fixtures.odd_answerers"
LIMITS = ResidentLimits(memory_bytes=2 * 1024**3, cpu_s=1, answer_s=30.0, question_bytes=16 * 1024**2)


@pytest.fixture
def resident() -> Iterator[Resident]:
    with closing(Resident(MODULE, {}, LIMITS)) as opened:
        yield opened


def pid_of(resident: Resident) -> int:
    return int(resident.ask(Part()).record["pid"])


def is_gone(pid: int, limit_s: float = 10.0) -> bool:
    deadline = time.monotonic() + limit_s
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return not Path(f"/proc/{pid}").exists()


def test_one_process_answers_many_questions(resident: Resident) -> None:
    data = os.urandom(9_000_000)
    first = resident.ask(Part(data=data))
    assert first.data == data
    assert first.record["pid"] != os.getpid()
    assert resident.ask(Part()).record == {"pid": first.record["pid"], "asked": 2}


@pytest.mark.parametrize(
    ("do", "error", "words"),
    [
        ("refuse", ImageFormatError, "not a picture of ours"),
        ("fail", InternalError, "went wrong on our side"),
        ("grow", InvalidRequestError, "memory"),
    ],
)
def test_an_error_is_an_answer(resident: Resident, do: str, error: type[ImageragError], words: str) -> None:
    before = pid_of(resident)
    with pytest.raises(error, match=words) as raised:
        resident.ask(Part({"do": do}))
    assert "secret" not in raised.value.message
    assert pid_of(resident) == before


@pytest.mark.parametrize(("do", "words"), [("crash", "ended the process"), ("spin", "processor time")])
def test_after_a_death_another_process_answers(resident: Resident, do: str, words: str) -> None:
    before = pid_of(resident)
    with pytest.raises(ImageWorkerLostError, match=words):
        resident.ask(Part({"do": do}))
    assert pid_of(resident) != before
    assert is_gone(before)


def test_what_hangs_is_ended() -> None:
    with closing(Resident(MODULE, {}, ResidentLimits(answer_s=1.0))) as resident:
        before = pid_of(resident)
        with pytest.raises(ImageWorkerLostError, match="no answer for 1 s"):
            resident.ask(Part({"do": "hang"}))
        assert is_gone(before)


def test_processor_time_counts_anew_with_each_question(resident: Resident) -> None:
    pids = set()
    for _ in range(3):
        pids.add(pid_of(resident))
        resident.ask(Part(data=bytes(15_000_000)))
    assert len(pids) == 1


def test_it_is_replaced_after_so_many_questions() -> None:
    with closing(Resident(MODULE, {}, ResidentLimits(questions=2))) as resident:
        assert [resident.ask(Part()).record["asked"] for _ in range(5)] == [1, 2, 1, 2, 1]


def test_it_goes_when_nothing_is_asked_and_comes_back_for_the_next_question() -> None:
    with closing(Resident(MODULE, {}, ResidentLimits(idle_s=0.1))) as resident:
        first = pid_of(resident)
        deadline = time.monotonic() + 10
        while Path(f"/proc/{first}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert pid_of(resident) != first


@pytest.mark.parametrize(
    ("start", "error"), [("refuse", UnimplementedError), ("crash", UnavailableError), ("hang", UnavailableError)]
)
def test_what_cannot_be_started_is_left_alone_for_a_while(start: str, error: type[ImageragError]) -> None:
    limits = ResidentLimits(start_s=1.0 if start == "hang" else 30.0)
    with closing(Resident(MODULE, {"start": start}, limits)) as resident:
        with pytest.raises(error):
            resident.ask(Part())
        began = time.monotonic()
        with pytest.raises(UnavailableError, match="a moment ago"):
            resident.ask(Part())
        assert time.monotonic() - began < 0.1


def test_closing_ends_what_is_being_answered() -> None:
    resident = Resident(MODULE, {}, LIMITS)
    pid = pid_of(resident)
    ends: list[Any] = []

    def ask() -> None:
        try:
            resident.ask(Part({"do": "hang"}))
        except ImageragError as error:
            ends.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.2)
    resident.close()
    thread.join(5)
    assert [type(end) for end in ends] == [ImageWorkerLostError]
    assert is_gone(pid)
    with pytest.raises(UnavailableError):
        resident.ask(Part())


def test_no_secret_of_the_caller_is_in_the_environment(
    resident: Resident, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_URL", "redis://:secret@127.0.0.1/0")
    assert "secret" not in str(resident.ask(Part({"do": "environment"})).record)


def test_it_does_not_outlive_a_caller_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, threading, time\n"
        "from workers.sandbox.parts import Part\n"
        "from workers.sandbox.resident import Resident\n"
        f"resident = Resident({MODULE!r}, {{}})\n"
        "print('pid', resident.ask(Part()).record['pid'], flush=True)\n"
        "threading.Thread(target=resident.ask, args=(Part({'do': 'hang'}),), daemon=True).start()\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        pid = next(int(line.split()[1]) for line in caller.stdout if line.startswith("pid "))
        time.sleep(0.3)
        caller.kill()
    assert is_gone(pid)
