"""Fetching over real connections: where they go, how they end, and how long and how much they may be."""

from __future__ import annotations

import gzip
import io
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest

from services.common.errors import (
    ImageragError,
    UrlError,
    UrlForbiddenError,
    UrlTooLargeError,
    UrlUnreachableError,
)
from services.common.settings import SettingsError
from tests.fixtures.certificates import Authority
from tests.fixtures.web import GOOD_HOST, Names, Page, WebServer, drip, endless, policy, raw
from workers.fetching.fetcher import Fetcher
from workers.fetching.host_rules import parse_host_rules
from workers.fetching.policy import FetchPolicy

BODY = bytes(range(256)) * 40
LIMIT_BYTES = 100_000
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer({"/a.jpg": Page(BODY, headers={"Content-Type": "image/jpeg"})}) as server:
        yield server


@dataclass(frozen=True)
class Had:
    data: bytes
    url: str
    content_type: str


def had(fetcher: Fetcher, url: str, limit_bytes: int = LIMIT_BYTES) -> Had:
    with io.BytesIO() as file:
        fetched = fetcher.fetch(url, file, lambda _head: limit_bytes)
        assert fetched.whole
        assert file.getvalue().startswith(fetched.head)
        return Had(file.getvalue(), str(fetched.url), fetched.content_type)


def refused(given: FetchPolicy, url: str, names: Names | None = None) -> ImageragError:
    with Fetcher(given, names) as fetcher, io.BytesIO() as file, pytest.raises(ImageragError) as raised:
        fetcher.fetch(url, file, lambda _head: LIMIT_BYTES)
    assert not raised.value.retryable, "one URL must not hold up a job"
    return raised.value


def test_a_picture_is_had_and_little_is_told_of_us(web: WebServer) -> None:
    with Fetcher(policy(web.port)) as fetcher:
        found = had(fetcher, web.url("/a.jpg?size=1#part"))
    assert found == Had(BODY, web.url("/a.jpg?size=1"), "image/jpeg")
    (asked,) = web.asked
    assert asked.path == "/a.jpg?size=1"
    assert set(asked.headers) == {"host", "user-agent", "accept", "accept-encoding"}
    assert asked.headers["host"] == f"{GOOD_HOST}:{web.port}"
    assert asked.headers["user-agent"].startswith("imagerag/")


def test_a_connection_serves_many_urls_of_its_host(web: WebServer) -> None:
    names = Names({"pictures.test": [[GOOD_HOST]]})
    with Fetcher(policy(web.port), names) as fetcher:
        for _ in range(5):
            had(fetcher, web.url("/a.jpg", "pictures.test"))
    assert (web.connections, len(web.asked), names.asked) == (1, 5, ["pictures.test"])


def test_many_are_fetched_at_once(web: WebServer) -> None:
    together = threading.Barrier(8, timeout=20)

    def wait(handler: object) -> None:
        together.wait()
        raw(OK + b"Content-Length: 2\r\nConnection: close\r\n\r\nok")(handler)  # type: ignore[arg-type]

    web.pages["/slow"] = wait
    with Fetcher(policy(web.port)) as fetcher, ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda _: had(fetcher, web.url("/slow")).data, range(8))
        assert list(found) == [b"ok"] * 8


def test_the_beginning_alone_is_read_if_that_is_enough(web: WebServer) -> None:
    web.pages["/endless"] = endless(b"x" * 1000)
    seen: list[bytes] = []

    def look(head: bytes) -> int:
        seen.append(head)
        return 0

    with Fetcher(policy(web.port)) as fetcher, io.BytesIO() as file:
        fetched = fetcher.fetch(web.url("/endless"), file, look)
        assert (fetched.whole, fetched.head, file.getvalue()) == (False, b"x" * 1024, b"")
    assert seen == [b"x" * 1024]


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, LIMIT_BYTES])
def test_any_size_up_to_the_limit_is_had_whole(web: WebServer, size: int) -> None:
    web.pages["/b"] = Page(BODY[:1] * size)
    web.pages["/chunked"] = raw(
        OK + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (size, b"y" * size)
        if size
        else OK + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n"
    )
    with Fetcher(policy(web.port)) as fetcher:
        assert had(fetcher, web.url("/b")).data == BODY[:1] * size
        assert had(fetcher, web.url("/chunked")).data == b"y" * size


def test_a_byte_too_many_is_too_many_whatever_is_announced(web: WebServer) -> None:
    web.pages["/announced"] = Page(bytes(LIMIT_BYTES + 1))
    web.pages["/unannounced"] = endless(bytes(10_000))
    web.pages["/chunked"] = endless(b"2710\r\n%b\r\n" % bytes(10_000), OK + b"Transfer-Encoding: chunked\r\n\r\n")
    for path in ("/announced", "/unannounced", "/chunked"):
        assert isinstance(refused(policy(web.port), web.url(path)), UrlTooLargeError)
    assert len(web.asked) == 3, "that is not tried again"


def test_redirects_are_followed_and_told(web: WebServer) -> None:
    web.pages |= {
        "/1": Page(status=301, headers={"Location": "/2?x=1"}),
        "/2": Page(b"moved", 302, {"Location": f"http://pictures.test:{web.port}/3"}),
        "/3": Page(status=307, headers={"Location": "a.jpg"}),
    }
    with Fetcher(policy(web.port), Names({"pictures.test": [[GOOD_HOST]]})) as fetcher:
        assert had(fetcher, web.url("/1")).url == f"http://pictures.test:{web.port}/a.jpg"
    assert [asked.path for asked in web.asked] == ["/1", "/2?x=1", "/3", "/a.jpg"]
    assert web.asked[-1].headers["host"] == f"pictures.test:{web.port}"
    assert "referer" not in web.asked[-1].headers


def test_redirects_come_to_an_end(web: WebServer) -> None:
    web.pages["/loop"] = Page(status=302, headers={"Location": "/loop"})
    assert "more than 5 times" in refused(policy(web.port), web.url("/loop")).message
    assert len(web.asked) == 6


def test_a_host_that_has_a_bad_moment_is_asked_again(web: WebServer) -> None:
    web.pages["/busy"] = [Page(b"later", 503, {"Retry-After": "0"}), raw(b""), Page(BODY)]
    with Fetcher(policy(web.port, max_tries=3)) as fetcher:
        assert had(fetcher, web.url("/busy")).data == BODY
    assert len(web.asked) == 3


def test_what_broke_off_is_fetched_from_the_beginning(web: WebServer) -> None:
    web.pages["/broken"] = [raw(OK + b"Content-Length: 9000\r\n\r\n" + b"x" * 5000), Page(BODY)]
    with Fetcher(policy(web.port)) as fetcher:
        assert had(fetcher, web.url("/broken")).data == BODY


def test_what_came_before_in_the_file_stays(web: WebServer) -> None:
    web.pages["/broken"] = [raw(OK + b"Content-Length: 9000\r\n\r\n" + b"x" * 5000), Page(BODY)]
    with Fetcher(policy(web.port)) as fetcher, io.BytesIO(b"before") as file:
        file.seek(6)
        fetcher.fetch(web.url("/broken"), file, lambda _head: LIMIT_BYTES)
        assert file.getvalue() == b"before" + BODY


def test_a_host_that_stays_away_is_told_and_tried_no_more_than_so_often(web: WebServer) -> None:
    web.pages["/down"] = Page(b"", 500)
    error = refused(policy(web.port), web.url("/down"))
    assert isinstance(error, UrlUnreachableError)
    assert "500" in error.message
    assert len(web.asked) == 2


def test_a_host_that_wants_more_time_than_there_is_gets_no_second_try(web: WebServer) -> None:
    web.pages["/limited"] = Page(b"", 429, {"Retry-After": "3600"})
    began = time.monotonic()
    assert isinstance(refused(policy(web.port), web.url("/limited")), UrlUnreachableError)
    assert time.monotonic() - began < 5
    assert len(web.asked) == 1


def test_a_port_without_a_server_is_a_host_that_does_not_answer(web: WebServer) -> None:
    port = web.port
    web.shutdown()
    web.server_close()
    assert isinstance(refused(policy(port), f"http://{GOOD_HOST}:{port}/"), UrlUnreachableError)


@pytest.mark.parametrize(
    "script",
    [
        drip(b"x" * 1000, 0.05),
        drip(b"X-Slow: 1\r\n" * 1000, 0.05, b"HTTP/1.1 200 OK\r\n"),
        drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.02, b""),
        drip(b"1\r\nx\r\n" * 1000, 0.05, OK + b"Transfer-Encoding: chunked\r\n\r\n"),
        drip(b"H" * 1000, 0.05, b""),
    ],
    ids=["body", "headers", "informational", "chunks", "nonsense"],
)
def test_a_server_that_drips_ends_with_the_time(web: WebServer, script: object) -> None:
    web.pages["/drip"] = script  # type: ignore[assignment]
    began = time.monotonic()
    error = refused(policy(web.port, timeout_s=1.0), web.url("/drip"))
    assert isinstance(error, UrlUnreachableError)
    assert time.monotonic() - began < 8


def test_redirects_and_tries_share_one_time(web: WebServer) -> None:
    def late(handler: object) -> None:
        time.sleep(0.4)
        raw(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")(handler)  # type: ignore[arg-type]

    web.pages["/again"] = late
    began = time.monotonic()
    refused(policy(web.port, timeout_s=1.0, max_tries=9, max_redirects=50), web.url("/again"))
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.0\r\n",
        b"-ERR unknown command 'GET'\r\n",
        b"HTTP/one 200 OK\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        OK + b"Content-Length: -5\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzzzz\r\n",
        OK + b"X: " + b"x" * 300_000 + b"\r\n\r\n",
        OK + b"X: 1\r\n" * 100_000 + b"\r\n",
        OK + b"Content-Length: 100\r\n\r\nshort",
        b"\x00" * 100_000,
    ],
)
def test_a_server_that_speaks_nonsense_is_one_that_does_not_answer(web: WebServer, answer: bytes) -> None:
    web.pages["/odd"] = raw(answer)
    assert isinstance(refused(policy(web.port), web.url("/odd")), UrlUnreachableError)


@pytest.mark.parametrize("status", [204, 206, 304, 401, 403, 404, 410])
def test_an_answer_without_what_was_asked_for_is_final(web: WebServer, status: int) -> None:
    web.pages["/no"] = Page(b"" if status in {204, 304} else b"no", status)
    error = refused(policy(web.port), web.url("/no"))
    assert isinstance(error, UrlError)
    assert str(status) in error.message
    assert len(web.asked) == 1


def test_what_is_sent_packed_unasked_is_not_taken(web: WebServer) -> None:
    web.pages["/bomb"] = Page(gzip.compress(bytes(10_000_000)), headers={"Content-Encoding": "gzip"})
    assert "compressed" in refused(policy(web.port), web.url("/bomb")).message


def test_no_server_s_words_reach_the_caller(web: WebServer) -> None:
    web.pages["/no"] = raw(b"HTTP/1.1 404 <script>alert(1)</script>\r\nContent-Length: 0\r\n\r\n")
    assert "script" not in refused(policy(web.port), web.url("/no")).message


def test_a_host_that_is_not_allowed_is_not_asked_even_by_a_redirect(web: WebServer) -> None:
    web.pages["/away"] = Page(status=302, headers={"Location": f"http://other.test:{web.port}/a.jpg"})
    names = Names({"pictures.test": [[GOOD_HOST]], "other.test": [[GOOD_HOST]]})
    given = policy(web.port)
    own = FetchPolicy(policy().hosts, given.networks, timeout_s=5)
    assert isinstance(refused(own, web.url("/a.jpg", "pictures.test"), names), UrlForbiddenError)
    assert names.asked == []
    own = FetchPolicy(parse_host_rules(f"pictures.test:{web.port}"), given.networks, timeout_s=5)
    error = refused(own, web.url("/away", "pictures.test"), names)
    assert isinstance(error, UrlForbiddenError)
    assert "other.test" in error.message
    assert names.asked == ["pictures.test"]


class TestTls:
    @pytest.fixture
    def authority(self) -> Authority:
        return Authority("pictures")

    @pytest.fixture
    def secure(self, authority: Authority, tmp_path: Path) -> Iterator[WebServer]:
        files = authority.issue(tmp_path / "tls", ["pictures.test"])
        assert files.certificate
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
        with WebServer({"/a.jpg": Page(BODY)}, tls=context) as server:
            yield server

    @pytest.fixture
    def ca_path(self, authority: Authority, tmp_path: Path) -> Path:
        path = tmp_path / "ours.pem"
        path.write_bytes(authority.pem)
        return path

    def test_the_name_is_shown_and_proved_although_an_address_is_connected_to(
        self, secure: WebServer, ca_path: Path
    ) -> None:
        names = Names({"pictures.test": [[GOOD_HOST]]})
        with Fetcher(policy(secure.port, ca_path=ca_path), names) as fetcher:
            assert had(fetcher, secure.url("/a.jpg", "pictures.test")).data == BODY
        (asked,) = secure.asked
        assert asked.server_name == "pictures.test"
        assert asked.headers["host"] == f"pictures.test:{secure.port}"

    def test_another_name_is_not_believed(self, secure: WebServer, ca_path: Path) -> None:
        names = Names({"shop.test": [[GOOD_HOST]]})
        error = refused(policy(secure.port, ca_path=ca_path), secure.url("/a.jpg", "shop.test"), names)
        assert isinstance(error, UrlError)
        assert "certificate" in error.message
        assert secure.asked == []

    def test_an_authority_of_ones_own_is_believed_only_if_it_is_named(self, secure: WebServer) -> None:
        names = Names({"pictures.test": [[GOOD_HOST]]})
        error = refused(policy(secure.port), secure.url("/a.jpg", "pictures.test"), names)
        assert "certificate" in error.message

    def test_a_file_that_is_no_certificate_stops_the_start(self, tmp_path: Path) -> None:
        path = tmp_path / "x.pem"
        path.write_text("nothing")
        for wrong in (path, tmp_path / "missing.pem"):
            with pytest.raises(SettingsError, match="IMAGERAG_WORKERS_URL_CA_PATH"):
                Fetcher(policy(80, ca_path=wrong))

    def test_plain_http_where_tls_is_expected_is_no_answer(self, web: WebServer) -> None:
        url = web.url("/a.jpg").replace("http:", "https:")
        assert isinstance(refused(policy(web.port), url), UrlUnreachableError)


def test_several_addresses_are_tried_in_turn(web: WebServer) -> None:
    names = Names({"pictures.test": [["127.0.0.3", GOOD_HOST]]})
    given = policy(web.port, networks=(ip_network("127.0.0.2/31"),))
    with Fetcher(given, names) as fetcher:
        assert had(fetcher, web.url("/a.jpg", "pictures.test")).data == BODY


def test_proxies_of_the_environment_are_not_asked(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with WebServer({"/a.jpg": Page(b"from a proxy")}) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        with Fetcher(policy(web.port)) as fetcher:
            assert had(fetcher, web.url("/a.jpg")).data == BODY
        assert proxy.connections == 0
