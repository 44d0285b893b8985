"""Names are looked up by the system, within a time; no question leaves this machine in these tests."""

from __future__ import annotations

import socket
import threading
import time
from ipaddress import ip_address
from typing import Any

import pytest

from services.common.errors import UrlError
from workers.fetching.passing import PassingError
from workers.fetching.resolving import SystemResolver


def soon() -> float:
    return time.monotonic() + 20


def answers(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[str]:
    """Let the system's resolver answer so, or raise it; the names that it was asked for."""
    asked: list[str] = []

    def look_up(host: str, *_arguments: object, **_options: object) -> Any:
        asked.append(host)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_an_address_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch, OSError("not asked"))
    assert SystemResolver().resolve("127.0.0.1", soon()) == [ip_address("127.0.0.1")]
    assert SystemResolver().resolve("::1", soon()) == [ip_address("::1")]
    assert asked == []


def test_this_machines_own_name_leads_to_it() -> None:
    assert all(address.is_loopback for address in SystemResolver().resolve("localhost", soon()))


def test_each_address_comes_once_in_the_systems_order(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET6, 1, 6, "", (text, 0, 0, 0)) for text in ("2606:2800::1", "8.8.8.8", "2606:2800::1")]
    assert answers(monkeypatch, found) == []
    resolved = SystemResolver().resolve("a.b", soon())
    assert resolved == [ip_address("2606:2800::1"), ip_address("8.8.8.8")]


def test_an_address_with_a_zone_is_no_public_one(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, [(socket.AF_INET6, 1, 6, "", ("fe80::1%lo", 0, 0, 1))])
    (address,) = SystemResolver().resolve("a.b", soon())
    assert address.is_link_local


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), UrlError),
        (socket.gaierror(socket.EAI_AGAIN, "later"), PassingError),
        (socket.gaierror(socket.EAI_FAIL, "broken"), PassingError),
        (OSError(24, "too many files"), PassingError),
        ([], PassingError),
        (UnicodeError("label too long"), UrlError),
    ],
)
def test_what_the_system_says_is_put_in_words(
    monkeypatch: pytest.MonkeyPatch, error: object, becomes: type[Exception]
) -> None:
    answers(monkeypatch, error)
    with pytest.raises(becomes, match=r"a\.b") as raised:
        SystemResolver().resolve("a.b", soon())
    assert str(error) not in str(raised.value)


def test_a_look_up_that_hangs_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_o: done.wait(60) and [])
    began = time.monotonic()
    with pytest.raises(PassingError, match="not found in time"):
        SystemResolver().resolve("a.b", began + 0.1)
    assert time.monotonic() - began < 10
    assert any(thread.daemon for thread in threading.enumerate() if thread.name == "lookup-a.b")
    done.set()
