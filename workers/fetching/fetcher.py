"""Fetches one URL: every hop checked, in one time, with a bound on bytes, tried again where that helps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from types import TracebackType
from typing import IO, Self

import httpcore
import structlog

from services.common.errors import ImageragError, UrlError, UrlTooLargeError, UrlUnreachableError
from services.common.media.signatures import HEAD_BYTES
from workers import metrics
from workers.fetching.answers import Answer
from workers.fetching.network import CheckedNetwork
from workers.fetching.passing import PassingError, pause_s
from workers.fetching.policy import FetchPolicy
from workers.fetching.resolving import Resolver, SystemResolver
from workers.fetching.silent_hosts import SilentHosts
from workers.fetching.trust import trusted
from workers.fetching.web_url import WebUrl, follow, parse_url

log = structlog.get_logger(__name__)
LimitOf = Callable[[bytes], int]
"""From something's first `HEAD_BYTES` to the most bytes of it that are wanted; 0: the beginning was enough."""
_KEPT_OPEN_S = 15.0
# No AVIF, which servers like to send to those who say that they take any picture.
_ACCEPT = "image/jpeg, image/png, image/webp, image/gif, application/pdf, */*;q=0.5"


@dataclass(frozen=True)
class Fetched:
    """What came of a fetch.

    Attributes:
        url: Where it was found in the end.
        head: Its first bytes, at most `HEAD_BYTES`.
        content_type: What the server takes it for.
        whole: All of it was read.
    """

    url: WebUrl
    head: bytes
    content_type: str
    whole: bool


class Fetcher:
    """Fetches from the web, past no proxy: those of the environment are not asked. Blocks; thread-safe.

    Sent are GET requests without cookies, passwords or a referrer; connections are used again for the same host.

    Args:
        policy: What may be fetched.
        resolver: Looks names up; None: the system's.

    Raises:
        SettingsError: The policy's authority cannot be read.
    """

    def __init__(self, policy: FetchPolicy, resolver: Resolver | None = None) -> None:
        self.policy = policy
        self._silent = SilentHosts()
        self._pool = httpcore.ConnectionPool(
            ssl_context=trusted(policy.ca_path),
            max_connections=2 * policy.at_once,
            max_keepalive_connections=policy.at_once,
            keepalive_expiry=_KEPT_OPEN_S,
            network_backend=CheckedNetwork(policy, resolver or SystemResolver()),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self._pool.close()

    def fetch(self, url: str, into: IO[bytes], limit_of: LimitOf, within_s: float | None = None) -> Fetched:
        """Fetch a URL.

        Args:
            url: From a caller.
            into: Where the bytes go, from where it stands; emptied behind that before each try.
            limit_of: Says how much is wanted.
            within_s: Longest time, if it is less than the policy's.

        Raises:
            UrlForbiddenError: It, or where it redirects to, may not be fetched; nothing was sent there.
            UrlTooLargeError: More bytes than are wanted.
            UrlUnreachableError: Its host did not answer, or not in time; later it may.
            UrlError: It is no URL, or its host answers that there is nothing to have.
        """
        try:
            limit_s = min(self.policy.timeout_s, within_s or self.policy.timeout_s)
            fetched = self._tried(parse_url(url), into, limit_of, time.monotonic() + limit_s)
        except ImageragError as error:
            metrics.FETCHED_URLS.labels(error.code).inc()
            raise
        metrics.FETCHED_URLS.labels("ok").inc()
        return fetched

    def _tried(self, url: WebUrl, into: IO[bytes], limit_of: LimitOf, give_up_at: float) -> Fetched:
        self.policy.check_host(url)
        self._silent.check(url.host, url.port)
        begin, tries = into.tell(), 0
        while True:
            tries += 1
            try:
                fetched = self._followed(url, into, limit_of, give_up_at)
            except PassingError as failure:
                self._wait(url, failure, tries, give_up_at)
            except UrlError:
                self._silent.answered(url.host, url.port)
                raise
            else:
                self._silent.answered(url.host, url.port)
                return fetched
            into.seek(begin)
            into.truncate()

    def _wait(self, url: WebUrl, failure: PassingError, tries: int, give_up_at: float) -> None:
        """Wait for the next try.

        Raises:
            UrlUnreachableError: There is none.
        """
        wait_s = pause_s(tries, failure.after_s)
        if tries >= self.policy.max_tries or time.monotonic() + wait_s >= give_up_at:
            self._silent.failed(url.host, url.port)
            log.info("url_unreachable", host=url.host, tries=tries, detail=failure.message)
            raise UrlUnreachableError(failure.message)
        time.sleep(wait_s)

    def _followed(self, url: WebUrl, into: IO[bytes], limit_of: LimitOf, give_up_at: float) -> Fetched:
        for _ in range(self.policy.max_redirects + 1):
            with self._asked(url, give_up_at) as response:
                answer = Answer(response.status, response.headers)
                location = answer.redirect
                if location is None:
                    answer.check(datetime.now(UTC))
                    head, whole = _read(response, answer, into, limit_of)
                    return Fetched(url, head, answer.content_type, whole)
            url = follow(url, location)
            self.policy.check_host(url)
        raise UrlError(f"The URL redirects more than {self.policy.max_redirects} times.")

    @contextmanager
    def _asked(self, url: WebUrl, give_up_at: float) -> Iterator[httpcore.Response]:
        """The answer to a request, while it is open."""
        wanted = httpcore.URL(
            scheme=url.scheme.encode(), host=url.host.encode(), port=url.port, target=url.target.encode()
        )
        headers = [
            ("Host", url.authority),
            ("User-Agent", f"imagerag/{version('imagerag')}"),
            ("Accept", _ACCEPT),
            ("Accept-Encoding", "identity"),
        ]
        # Points in time, see `workers.fetching.network`; the wait for a free connection alone is a duration.
        timeouts = dict.fromkeys(("connect", "read", "write"), give_up_at)
        timeouts["pool"] = max(0.0, give_up_at - time.monotonic())
        with (
            _typed_errors(url),
            self._pool.stream("GET", wanted, headers=headers, extensions={"timeout": timeouts}) as response,
        ):
            yield response


def _read(response: httpcore.Response, answer: Answer, into: IO[bytes], limit_of: LimitOf) -> tuple[bytes, bool]:
    """Write the body into a file.

    Returns:
        Its beginning, and whether all of it was read.

    Raises:
        UrlTooLargeError: There is more than is wanted.
    """
    chunks = response.iter_stream()
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= HEAD_BYTES:
            break
    first, head = head, head[:HEAD_BYTES]
    limit_bytes = limit_of(head)
    if not limit_bytes:
        return head, False
    if (answer.announced_bytes or 0) > limit_bytes:
        raise _too_large(limit_bytes)
    count = 0
    for chunk in _with_first(first, chunks):
        count += len(chunk)
        if count > limit_bytes:
            raise _too_large(limit_bytes)
        into.write(chunk)
    metrics.FETCHED_BYTES.inc(count)
    return head, True


def _with_first(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _too_large(limit_bytes: int) -> UrlTooLargeError:
    return UrlTooLargeError(f"It has more than {limit_bytes:,} bytes.")


@contextmanager
def _typed_errors(url: WebUrl) -> Iterator[None]:
    """What httpcore raises, in words; the server's own are in none of them."""
    try:
        yield
    except httpcore.TimeoutException:
        raise PassingError(f"{url.host} did not answer in time.") from None
    except httpcore.NetworkError:
        raise PassingError(f"{url.host} does not answer, or breaks off.") from None
    except httpcore.ProtocolError:
        raise PassingError(f"{url.host} broke off, or does not speak HTTP.") from None
