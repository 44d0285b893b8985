"""The sandbox with real processes: whatever the opener does, the caller gets parts or a typed error, soon."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import ImageFormatError, ImageragError, InternalError, InvalidRequestError
from workers.sandbox.parts import Part, read_parts, write_part
from workers.sandbox.runner import SandboxLimits, open_parts

OPENER = "tests.fixtures.odd_openers"
LIMITS = SandboxLimits(memory_bytes=1024**3, cpu_s=1, silence_s=30.0, part_bytes=1024**2)


def opened(tmp_path: Path, arguments: Mapping[str, Any]) -> list[Part]:
    path = tmp_path / "container"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        return list(open_parts(OPENER, file, arguments, LIMITS))


def test_parts_come_with_their_bytes(tmp_path: Path) -> None:
    parts = opened(tmp_path, {"parts": 3})
    assert [part.data for part in parts] == [b"0123", b"4567", b"89"]
    assert [part.record["number"] for part in parts] == [0, 1, 2]
    assert parts[0].record["pid"] != os.getpid()


@pytest.mark.parametrize(
    ("then", "error", "words"),
    [
        ("refuse", ImageFormatError, "not a picture of ours"),
        ("crash", InvalidRequestError, "damaged"),
        ("fail", InternalError, ""),
        ("spin", InvalidRequestError, "processor time"),
        ("hang", InvalidRequestError, "nothing came"),
    ],
)
def test_what_goes_wrong_is_a_typed_error_after_the_parts_before_it(
    tmp_path: Path, then: str, error: type[ImageragError], words: str
) -> None:
    path = tmp_path / "container"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        limits = replace(LIMITS, silence_s=1.0) if then == "hang" else LIMITS
        found = open_parts(OPENER, file, {"parts": 2, "then": then}, limits)
        parts = [next(found).data, next(found).data]
        with pytest.raises(error) as raised:
            next(found)
    assert parts == [b"0123", b"4567"]
    assert words in raised.value.message
    assert "secret" not in raised.value.message


@pytest.mark.parametrize("size", [2 * 1024**2, 2 * 1024**3])
def test_too_large_a_part_and_too_much_memory_are_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(InvalidRequestError):
        opened(tmp_path, {"then": "grow", "bytes": size})


def test_a_caller_that_has_seen_enough_ends_the_process(tmp_path: Path) -> None:
    path = tmp_path / "container"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        parts = open_parts(OPENER, file, {"parts": 100_000}, LIMITS)
        pid = next(parts).record["pid"]
        parts.close()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()


def test_no_secret_of_the_caller_is_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", "secret")
    monkeypatch.setenv("BROKER_URL", "redis://:secret@127.0.0.1/0")
    (part,) = opened(tmp_path, {"then": "environment"})
    assert "secret" not in str(part.record)


_PARTS = st.lists(
    st.builds(
        Part, st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=9)), st.binary(max_size=99)
    )
)


@given(_PARTS)
def test_what_is_written_is_read(parts: list[Part]) -> None:
    pipe = io.BytesIO()
    for part in parts:
        write_part(pipe, part)
    assert list(read_parts(io.BytesIO(pipe.getvalue()), 99)) == parts


@given(_PARTS.filter(bool), st.data())
def test_a_pipe_that_ends_inside_a_part_is_an_error(parts: list[Part], data: st.DataObject) -> None:
    pipe, ends = io.BytesIO(), {0}
    for part in parts:
        write_part(pipe, part)
        ends.add(pipe.tell())
    cut = data.draw(st.integers(0, pipe.tell()).filter(lambda at: at not in ends))
    with pytest.raises(ValueError, match="pipe ended"):
        list(read_parts(io.BytesIO(pipe.getvalue()[:cut]), 99))
