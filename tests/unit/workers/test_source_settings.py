"""The settings that bound the workers' sources."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from workers.opening.archives.limits import ArchiveLimits
from workers.settings import WorkersSettings


def test_the_limits_on_archives_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "MEMBERS": "7",
        "RATIO": "9",
        "DEPTH": "2",
        "BYTES": "5000",
        "UNPACKED_BYTES": "6000",
    }.items():
        monkeypatch.setenv(f"IMAGERAG_WORKERS_ARCHIVE_LIMIT_{name}", value)
    assert WorkersSettings().archive_limits(member_bytes=11, message_s=100) == ArchiveLimits(
        max_bytes=5000,
        scan_s=75.0,
        max_members=7,
        max_unpacked_bytes=6000,
        max_member_bytes=11,
        max_ratio=9,
        max_depth=2,
    )


def test_without_any_the_defaults_are_those_of_the_limits() -> None:
    assert WorkersSettings().archive_limits(32 * 1024 * 1024, 240) == ArchiveLimits()


@pytest.mark.parametrize(("name", "value"), [("MEMBERS", "0"), ("RATIO", "1"), ("DEPTH", "-1"), ("BYTES", "x")])
def test_a_limit_that_makes_no_sense_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"IMAGERAG_WORKERS_ARCHIVE_LIMIT_{name}", value)
    with pytest.raises(ValidationError):
        WorkersSettings()
