"""The settings that bound the workers' sources."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.common.settings import SettingsError, load_settings
from workers.fetching.host_rules import HostRule
from workers.fetching.policy import FetchPolicy
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


def test_nothing_is_fetched_from_the_web_until_it_is_set() -> None:
    assert WorkersSettings().fetch_policy() is None


def test_what_may_be_fetched_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "FETCH": "true",
        "HOSTS": "example.com, *.example.org:8080",
        "NETWORKS": "10.20.0.0/16",
        "LIMIT_BYTES": "5000",
        "TIMEOUT_S": "7",
        "AT_ONCE": "3",
        "CA_PATH": "/ca.pem",
    }.items():
        monkeypatch.setenv(f"IMAGERAG_WORKERS_URL_{name}", value)
    assert WorkersSettings().fetch_policy() == FetchPolicy(
        hosts=(HostRule("example.com"), HostRule("example.org", below=True, port=8080)),
        networks=(ip_network("10.20.0.0/16"),),
        limit_bytes=5000,
        timeout_s=7,
        at_once=3,
        ca_path=Path("/ca.pem"),
    )


def test_switched_on_without_hosts_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGERAG_WORKERS_URL_FETCH", "true")
    with pytest.raises(SettingsError, match=r"IMAGERAG_WORKERS_URL_FETCH.*IMAGERAG_WORKERS_URL_HOSTS"):
        load_settings(WorkersSettings)


@pytest.mark.parametrize(
    ("name", "value"),
    [("HOSTS", "http://a.b"), ("NETWORKS", "10.0.0.1/8"), ("TIMEOUT_S", "0"), ("AT_ONCE", "0"), ("FETCH", "some")],
)
def test_a_wrong_limit_on_the_web_stops_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"IMAGERAG_WORKERS_URL_{name}", value)
    with pytest.raises(ValidationError):
        WorkersSettings()
