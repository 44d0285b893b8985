"""URLs are read once, strictly; whatever hides an address is refused or read as that address."""

from __future__ import annotations

import re
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import ImageragError, UrlError, UrlForbiddenError
from workers.fetching.web_url import MAX_URL_CHARS, WebUrl, follow, parse_url

READ = {
    "http://example.com": "http://example.com/",
    "HTTPS://Example.COM./A.jpg": "https://example.com/A.jpg",
    "https://example.com:443/a": "https://example.com/a",
    "http://example.com:443/a": "http://example.com:443/a",
    "http://example.com:8080?q=1#part": "http://example.com:8080/?q=1",
    "http://my_bucket.example.com/a": "http://my_bucket.example.com/a",
    "https://münchen.de/straße?q=ö": "https://xn--mnchen-3ya.de/stra%C3%9Fe?q=%C3%B6",
    "https://例え.テスト/写真.jpg": "https://xn--r8jz45g.xn--zckzah/%E5%86%99%E7%9C%9F.jpg",
    "https://example.com/a%20b?sig=a%2Fb%3D&x=(1)": "https://example.com/a%20b?sig=a%2Fb%3D&x=(1)",
    'https://example.com/"<a>"': "https://example.com/%22%3Ca%3E%22",
    "http://8.8.8.8:80/": "http://8.8.8.8/",
    "http://[2606:2800::0001]:8080/": "http://[2606:2800::1]:8080/",
    # Other notations of one address are that address, which is checked like any.
    "http://①②⑦.⓪.⓪.①/": "http://127.0.0.1/",
    "http://127。0。0。1/": "http://127.0.0.1/",
    "http://127.0.0.1./": "http://127.0.0.1/",
    "http://[::ffff:127.0.0.1]/": "http://[::ffff:7f00:1]/",
}
FORBIDDEN = [
    "127.1",
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "0177.0.0.1",
    "017700000001",
    "0",
    "127.0.1",
    "1.2.3.4.5",
]
FORBIDDEN += [
    "0x7f.0.0.0x1",
    "a.1",
    "a.0x",
    "127.0.0.01",
    "256.0.0.1",
    "user@example.com",
    "example.com@127.0.0.1",
]
FORBIDDEN += ["user:secret@example.com", "@example.com", "127.0.0.1:80@example.com"]
OTHER_SCHEMES = [
    "file:///etc/passwd",
    "ftp://example.com/a",
    "gopher://example.com/_x",
    "data:image/png;base64,AAAA",
]
OTHER_SCHEMES += [
    "redis://example.com:6379",
    "jar:http://example.com!/",
    "javascript:alert(1)",
    "unix:/run/x.sock",
]
NOT_URLS = [
    "",
    "example.com/a.jpg",
    "//example.com/a",
    "http:example.com",
    "http:/example.com",
    "http://",
    "http:///a",
]
NOT_URLS += [
    "http://exa mple.com",
    "http://example.com\\@127.0.0.1/",
    "http://example.com/\r\nHost: a",
    "\thttp://a.b/",
]
NOT_URLS += [
    "http://127.0.0.1\t/",
    "http://ex%61mple.com/",
    "http://127.0.0.1%2f@example.com/",
    "http://[::1/",
    "a\udc80",
]
NOT_URLS += ["http://[fe80::1%25eth0]/", "http://[::1%00]/", "http://[1.2.3.4]/", "http://a..b/", "http://-a.b/"]
NOT_URLS += ["http://example.com:99999/", "http://example.com:0/", "http://example.com:8o/", "http://a:80:80/"]
NOT_URLS += [
    "http://example.com/\x00",
    f"http://{'a' * 64}.com/",
    f"http://{'a.' * 130}com/",
    "http://a\u202eb.com/",
]


@pytest.mark.parametrize(("text", "read"), READ.items())
def test_a_url_has_one_reading(text: str, read: str) -> None:
    assert str(parse_url(text)) == read


@pytest.mark.parametrize("host", FORBIDDEN)
def test_hosts_that_readers_disagree_on_are_refused(host: str) -> None:
    with pytest.raises(UrlForbiddenError):
        parse_url(f"http://{host}/a.jpg")


@pytest.mark.parametrize("text", OTHER_SCHEMES)
def test_other_schemes_are_refused(text: str) -> None:
    with pytest.raises(UrlForbiddenError, match="Only http"):
        parse_url(text)


@pytest.mark.parametrize("text", NOT_URLS)
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises((UrlError, UrlForbiddenError)):
        parse_url(text)


def test_a_url_without_end_is_not_read() -> None:
    parse_url("http://a.b/" + "x" * (MAX_URL_CHARS - 11))
    with pytest.raises(UrlError, match="longer than 4,096"):
        parse_url("http://a.b/" + "x" * (MAX_URL_CHARS - 10))


@given(st.text(max_size=60) | st.from_regex(r"https?://[^/?#\s]{1,30}(:\d{0,5})?/?.*", fullmatch=True))
def test_whatever_is_read_is_read_the_same_again(text: str) -> None:
    try:
        url = parse_url(text)
    except ImageragError:
        return
    assert parse_url(str(url)) == url
    assert re.fullmatch(r"[a-z0-9_.:-]+", url.host)
    assert re.fullmatch(r"/[\x21-\x7e]*", url.target)
    assert url.address is None or str(ip_address(url.host)) == url.host


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/b.jpg", "https://example.com:8443/b.jpg"),
        ("b.jpg?x=1#y", "https://example.com:8443/a/b.jpg?x=1"),
        ("../b c.jpg ", "https://example.com:8443/b%20c.jpg"),
        ("//other.com/b", "https://other.com/b"),
        ("http://other.com", "http://other.com/"),
        ("/ü", "https://example.com:8443/%C3%BC"),
    ],
)
def test_a_redirect_leads_where_its_location_says(location: str, leads_to: str) -> None:
    assert str(follow(parse_url("https://example.com:8443/a/x.jpg"), location)) == leads_to


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "http://u@b/", "//[::1", "http://127.1/", "\\\\b\\c", "http://"]
)
def test_a_redirect_is_read_as_strictly(location: str) -> None:
    with pytest.raises((UrlError, UrlForbiddenError)):
        follow(parse_url("https://example.com/a"), location)


def test_what_a_person_calls_it() -> None:
    assert parse_url("https://example.com/a/%E5%86%99%20.jpg?x=/y").file_name == "写 .jpg"
    assert parse_url("https://example.com").file_name == ""
    assert WebUrl("http", "::1", 8080, "/").authority == "[::1]:8080"
