"""URLs of the web, read once and strictly: what is checked and what is connected to are the same fields. Pure.

Most ways around such checks lead through two readers of one URL that see different hosts. Nothing behind this
module reads a URL again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Literal, cast
from urllib.parse import quote, unquote, urljoin

import idna

from services.common.errors import ImageragError, UrlError, UrlForbiddenError
from workers.fetching.addresses import Address

MAX_URL_CHARS = 4096
PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)(?:#.*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([0-9]{0,5}))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_NAME_CHARS = 253
_MAX_PORT = 65535
_TARGET_SAFE = "%/:?[]@!$&'()*+,;=~-._"
_REFUSED_CHARS = re.compile(r"[\x00-\x20\x7f\\\ud800-\udfff]")
"""Readers of URLs disagree on these; half a surrogate pair is what is left of bytes that are not UTF-8."""
_SHOWN_CHARS = 200


@dataclass(frozen=True)
class WebUrl:
    """Where something lies on the web.

    Attributes:
        scheme: "http" or "https".
        host: A name in lower case, ASCII, without a dot at its end; or an address, shortest form, no brackets.
        port: 1 to 65535.
        target: Path and query as they are sent, ASCII.
    """

    scheme: Literal["http", "https"]
    host: str
    port: int
    target: str

    @property
    def address(self) -> Address | None:
        """The host, if it is an address and not a name."""
        return literal_address(self.host)

    @property
    def authority(self) -> str:
        """`host` or `host:port`, as a Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def file_name(self) -> str:
        """The last part of the path, as a person reads it; empty if the path ends with a slash."""
        return unquote(self.target.partition("?")[0].rpartition("/")[2])

    def __str__(self) -> str:
        """As one URL."""
        return f"{self.scheme}://{self.authority}{self.target}"


def parse_url(text: str) -> WebUrl:
    """Read a URL; its fragment is left out.

    Raises:
        UrlForbiddenError: Another scheme, a user name in it, or a host in a notation that hides an address.
        UrlError: Not a URL.
    """
    if len(text) > MAX_URL_CHARS:
        raise UrlError(f"The URL is longer than {MAX_URL_CHARS:,} characters.")
    if _REFUSED_CHARS.search(text):
        raise UrlError("The URL holds a space, a backslash, or what is no letter. Write that percent-encoded.")
    found = _URL.fullmatch(text)
    if not found:
        raise _not_of_the_web(text)
    scheme = cast(Literal["http", "https"], found[1].lower())
    host, port = _host_and_port(found[2], scheme)
    path = found[3] if found[3].startswith("/") else f"/{found[3]}"
    return WebUrl(scheme, host, port, quote(path, safe=_TARGET_SAFE))


def is_web_url(text: str) -> bool:
    """Whether `parse_url` can read a URL."""
    try:
        parse_url(text)
    except ImageragError:
        return False
    return True


def follow(base: WebUrl, location: str) -> WebUrl:
    """The URL that a redirect leads to.

    Args:
        base: Where it was answered.
        location: Its Location header.

    Raises:
        ImageragError: As in `parse_url`.
    """
    try:
        return parse_url(urljoin(str(base), location.strip().replace(" ", "%20")))
    except ValueError:
        raise UrlError("The URL redirects to something that is no URL.") from None


def parse_host(text: str) -> str:
    """A host in the one form in which hosts are compared; see `WebUrl.host`.

    Raises:
        UrlForbiddenError: An address in a notation that is not the plain one.
        UrlError: Not a host.
    """
    if text.startswith("["):
        return _ipv6(text[1:-1])
    name = _ascii_name(text).removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(name)
    if len(name) > _MAX_NAME_CHARS or not all(_LABEL.fullmatch(label) for label in labels):
        raise UrlError(f"{text[:_SHOWN_CHARS]!r} is not the name of a host.")
    return name


def literal_address(host: str) -> Address | None:
    """The address that a parsed host is; None if it is a name."""
    if ":" in host:
        return IPv6Address(host)
    return IPv4Address(host) if _NUMBER.fullmatch(host.rpartition(".")[2]) else None


def _not_of_the_web(text: str) -> UrlError | UrlForbiddenError:
    if _SCHEME.match(text) and not text.lower().startswith(("http:", "https:")):
        return UrlForbiddenError("Only http:// and https:// are fetched.")
    return UrlError(f"{text[:_SHOWN_CHARS]!r} is not a URL such as https://example.com/picture.jpg.")


def _host_and_port(authority: str, scheme: str) -> tuple[str, int]:
    if "@" in authority:
        raise UrlForbiddenError("The URL holds a user name or password. Those are not sent; leave them out.")
    found = _AUTHORITY.fullmatch(authority)
    if not found:
        raise UrlError(f"{authority[:_SHOWN_CHARS]!r} is not a host with or without a port.")
    port = int(found[2]) if found[2] else PORTS[scheme]
    if not 0 < port <= _MAX_PORT:
        raise UrlError(f"There is no port {port}.")
    return parse_host(found[1]), port


def _ascii_name(text: str) -> str:
    """In lower case; other scripts as IDNA 2008 writes them, mapped by UTS 46 (full-width digits, too)."""
    if text.isascii():
        return text.lower()
    try:
        return idna.encode(text, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        raise UrlError(f"{text[:_SHOWN_CHARS]!r} is not the name of a host.") from None


def _ipv4(name: str) -> str:
    """Four decimal numbers alone: "127.1", "0x7f.1", "0177.0.0.1" and "2130706433" are read in many ways."""
    try:
        return str(IPv4Address(name))
    except AddressValueError:
        raise UrlForbiddenError(
            f"{name[:_SHOWN_CHARS]!r} is not a plain address. Write four decimal numbers, or a name."
        ) from None


def _ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except AddressValueError:
        raise UrlError(f"{text[:_SHOWN_CHARS]!r} is not an IPv6 address.") from None
