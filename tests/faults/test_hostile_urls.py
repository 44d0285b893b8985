"""I3: URLs that try to lead us into our own network. All are refused, and nobody there is connected to."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from ipaddress import ip_network

import pytest

from services.common.errors import ImageragError
from tests.fixtures.web import GOOD_HOST, WATCH, Canary, Names, Page, WebServer, policy
from workers.fetching.addresses import Address
from workers.fetching.fetcher import Fetcher
from workers.fetching.resolving import SystemResolver

pytestmark = pytest.mark.faults

HOSTS = {
    "loopback": [
        "127.0.0.1",
        "127.0.0.1.",
        "127.255.255.254",
        "localhost",
        "LOCALHOST.",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
    ],
    "this host": ["0.0.0.0", "[::]", "0"],
    "short, octal, hexadecimal, one number": [
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "017700000001",
        "0x7f.1",
        "0x7f000001",
    ],
    "one number": ["2130706433", "0x7f.0.0.0x1"],
    "other digits and dots": ["①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.0.0.1"],
    "wrapped": [
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
    ],
    "tunnels": ["[2002:7f00:1::]", "[2001:0:7f00:1::]", "[::ffff:0:127.0.0.1]"],
    "metadata of clouds": [
        "169.254.169.254",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
    ],
    "metadata, wrapped": ["[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "2852039166", "169.254.43518"],
    "private": ["10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "[fc00::1]", "[fe80::1]", "[fe80::1%25lo]"],
    "multicast and reserved": [
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "[ff02::1]",
        "198.18.0.1",
        "192.0.2.1",
    ],
    "a user name in front": [
        "user@127.0.0.1",
        "example.com@127.0.0.1",
        "user:secret@localhost",
        "127.0.0.1%2f@a.com",
    ],
    "escaped": ["%31%32%37.0.0.1", "127.0.0.1%00.example.com", "[::1%00]", "example.com\\@127.0.0.1"],
}
SHAPES = [
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "gopher://127.0.0.1:{port}/_GET",
    "ftp://127.0.0.1:{port}/",
    "dict://127.0.0.1:{port}/info",
    "redis://127.0.0.1:{port}/0",
    "ldap://127.0.0.1:{port}/",
    "jar:http://127.0.0.1:{port}!/",
    "unix:/var/run/docker.sock",
    "//127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}\\",
    "http://127.0.0.1:{port}#@example.com/",
    "http://127.0.0.1:{port}?@example.com/",
    "http://127.0.0.1\t:{port}/",
    " http://127.0.0.1:{port}/",
    "ht\ntp://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/\r\nHost: example.com",
]


@pytest.fixture
def canary() -> Iterator[Canary]:
    with Canary() as listening:
        yield listening


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


class LocalNames(Names):
    """As `Names`, and the system's own name for this machine."""

    def resolve(self, host: str, give_up_at: float) -> Sequence[Address]:
        """See `Resolver.resolve`."""
        if host == "localhost":
            return SystemResolver().resolve(host, give_up_at)
        return super().resolve(host, give_up_at)


def code_of(fetcher: Fetcher, url: str) -> str:
    """How a URL is refused; empty: it is not."""
    try:
        fetcher.fetch(url, io.BytesIO(), lambda _head: 1000)
    except ImageragError as error:
        return error.code
    return ""


def test_no_url_leads_into_our_own_network(canary: Canary) -> None:
    port = canary.port
    urls = [f"http://{host}:{port}/latest/meta-data/" for hosts in HOSTS.values() for host in hosts]
    urls += [shape.format(port=port) for shape in SHAPES]
    # Nothing but the address stands in the way: every host is allowed, at the canary's port too.
    with Fetcher(policy(port), LocalNames()) as fetcher, WATCH.watching() as tried:
        codes = {url: code_of(fetcher, url) for url in urls}
    print(f"\n{len(urls)} URLs refused: {dict(Counter(codes.values()))}; connections tried: {len(tried)}")
    assert set(codes.values()) <= {"url_forbidden", "url_unusable"}, codes
    assert tried == []
    assert canary.connections == 0


def test_the_canary_would_sing(canary: Canary) -> None:
    """The same fetch with the address allowed does connect: the tests above can fail."""
    own = policy(canary.port, networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")), max_tries=1)
    with Fetcher(own, LocalNames()) as fetcher, WATCH.watching() as tried:
        for host in ("127.0.0.1", "localhost"):
            assert code_of(fetcher, f"http://{host}:{canary.port}/") == "url_unreachable"
    assert len(tried) >= 2
    assert canary.connections >= 2


def test_no_redirect_leads_there_either(canary: Canary, web: WebServer) -> None:
    targets = [f"http://{host}:{canary.port}/" for hosts in HOSTS.values() for host in hosts]
    targets += [shape.format(port=canary.port) for shape in SHAPES if not any(sign in shape for sign in "\t\r\n")]
    targets += [f"//127.0.0.1:{canary.port}/", f"//localhost:{canary.port}"]
    for number, target in enumerate(targets):
        status = (301, 302, 303, 307, 308)[number % 5]
        web.pages[f"/{number}"] = Page(status=status, headers={"Location": target.encode().decode("latin-1")})
    with Fetcher(policy(canary.port, web.port), LocalNames()) as fetcher, WATCH.watching() as tried:
        codes = {target: code_of(fetcher, web.url(f"/{number}")) for number, target in enumerate(targets)}
    print(f"\n{len(targets)} redirects refused: {dict(Counter(codes.values()))}")
    assert set(codes.values()) <= {"url_forbidden", "url_unusable"}, codes
    assert {host for host, _port in tried} == {GOOD_HOST}
    assert len(web.asked) >= len(targets), "some are read as a path below the host that sends them"
    assert canary.connections == 0


def test_no_name_leads_there_whenever_it_changes(canary: Canary, web: WebServer) -> None:
    """A name that is good when it is looked at and bad when it is connected to; and names with two faces."""
    inside = [*canary.hosts, "169.254.169.254", "10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"]
    names = LocalNames(
        {
            **{f"plain{number}.test": [[address]] for number, address in enumerate(inside)},
            **{f"mixed{number}.test": [[GOOD_HOST, address]] for number, address in enumerate(inside)},
            **{f"first{number}.test": [[address, GOOD_HOST]] for number, address in enumerate(inside)},
            "rebinding.test": [[GOOD_HOST], *[[address] for address in inside]],
        }
    )
    web.pages |= {
        # Hangs up: each fetch needs a new connection, and so a new look at the name.
        "/again": Page(b"x", headers={"Connection": "close"}),
        "/twice": Page(
            status=302,
            headers={"Location": f"http://rebinding.test:{canary.port}/", "Connection": "close"},
        ),
    }
    with Fetcher(policy(canary.port, web.port), names) as fetcher, WATCH.watching() as tried:
        for name in list(names.answers):
            if name != "rebinding.test":
                assert code_of(fetcher, f"http://{name}:{canary.port}/") == "url_forbidden", name
        assert code_of(fetcher, web.url("/again", "rebinding.test")) == ""
        for _ in inside:
            assert code_of(fetcher, web.url("/again", "rebinding.test")) == "url_forbidden"
        names.answers["rebinding.test"] = [[GOOD_HOST], ["127.0.0.1"]]
        assert code_of(fetcher, web.url("/twice", "rebinding.test")) == "url_forbidden"
    print(f"\n{len(names.asked)} look-ups, {len(tried)} connections, none inside")
    assert tried == [(GOOD_HOST, web.port)] * 2
    assert canary.connections == 0
    assert len(names.asked) == 3 * len(inside) + 1 + len(inside) + 2


def test_each_connection_asks_for_its_name_once(web: WebServer) -> None:
    names = LocalNames({"pictures.test": [[GOOD_HOST], ["127.0.0.1"]]})
    web.pages["/a"] = Page(b"x")
    with Fetcher(policy(web.port), names) as fetcher, WATCH.watching() as tried:
        assert code_of(fetcher, web.url("/a", "pictures.test")) == ""
        assert code_of(fetcher, web.url("/a", "pictures.test")) == "", "over the connection that is open"
    assert names.asked == ["pictures.test"]
    assert tried == [(GOOD_HOST, web.port)]
