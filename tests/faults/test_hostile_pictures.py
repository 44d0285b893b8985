"""Pictures of strangers, odd and broken: nothing worse than a typed error."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.fixtures.picture_intake import MUTATIONS, Numbers

pytestmark = [pytest.mark.faults, pytest.mark.timeout(700)]
HANGS_S = 600.0
LIMIT_S, LIMIT_MB = 1.0, 300.0


def taken(pictures: str) -> Numbers:
    """Let a process of its own take them in; it must come to its end."""
    command = [sys.executable, "-m", "tests.fixtures.picture_intake", pictures]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S, check=False)
    assert done.returncode == 0, f"crashed with {done.returncode}:\n{done.stderr[-2000:]}"
    return Numbers(**json.loads(done.stdout.splitlines()[-1]))


def test_each_odd_picture_is_taken_or_refused_and_the_next_one_goes_in() -> None:
    """I1: bombs, truncated, empty, polyglot, CMYK, 16 bits, palettes, animated, misnamed, turned, huge EXIF."""
    found = taken("odd")
    total = sum(found.ends.values())
    print(f"\n{total} odd pictures: {found.ends}; slowest {found.slowest_s:.2f} s of processor time,", end=" ")
    print(f"memory grew by {found.grown_mb:.0f} MB, surprises: {found.surprises or 'none'}")
    assert found.surprises == []
    assert total >= 40
    assert found.slowest_s < LIMIT_S
    assert found.grown_mb < LIMIT_MB


def test_five_thousand_mutations_bring_nothing_but_typed_errors() -> None:
    """I2: mutations of JPEG, PNG and WebP, seeded: no crash, no hang, no error without a type or a reason."""
    found = taken("mutations")
    print(f"\n{sum(found.ends.values())} mutations: {found.ends}; slowest {found.slowest_s:.2f} s", end=" ")
    print(f"of processor time, memory grew by {found.grown_mb:.0f} MB")
    assert sum(found.ends.values()) == MUTATIONS
    assert 0 < found.ends["accepted"] < MUTATIONS
    assert "no reason given" not in found.ends
    assert found.slowest_s < LIMIT_S
    assert found.grown_mb < LIMIT_MB
