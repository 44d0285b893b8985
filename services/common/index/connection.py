"""The connection to Qdrant, with domain errors instead of the client's."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import structlog
from qdrant_client import AsyncQdrantClient, QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from services.common.errors import (
    ExhaustedError,
    ImageragError,
    InternalError,
    UnavailableError,
)
from services.common.index.transport import PersistentTransport, trusted

log = structlog.get_logger(__name__)
RETRY_AFTER_S = 2.0
OnRequest = Callable[[httpx.Request], Awaitable[None]]


class StoreNotFoundError(Exception):
    """The store has no such collection or alias; callers turn it into what it means for them."""


class StoreExistsError(Exception):
    """Someone else made the collection first."""


def connect(
    url: str,
    *,
    api_key: str | None = None,
    timeout_s: int = 10,
    ca_path: Path | None = None,
    on_request: OnRequest | None = None,
) -> AsyncQdrantClient:
    """A client for the store at `url`; connects on first use. Close it with `await client.close()`.

    Args:
        url: Of Qdrant's REST interface.
        api_key: Sent with every call if given.
        timeout_s: Longest wait for an answer.
        ca_path: Authority of an https address, PEM; None: the public ones.
        on_request: Sees each request before it is sent, and may add headers.
    """
    with _keys_without_tls():
        return AsyncQdrantClient(
            url=url,
            port=_port(url),
            api_key=api_key,
            timeout=timeout_s,
            check_compatibility=False,
            transport=PersistentTransport(ca_path),
            event_hooks={"request": [on_request] if on_request else []},
        )


def connect_blocking(
    url: str, *, api_key: str | None = None, timeout_s: int = 10, ca_path: Path | None = None
) -> QdrantClient:
    """As `connect`, for a program that has no event loop."""
    with _keys_without_tls():
        return QdrantClient(
            url=url,
            port=_port(url),
            api_key=api_key,
            timeout=timeout_s,
            check_compatibility=False,
            verify=trusted(ca_path),
            # An environment proxy has no business between services of one cluster.
            trust_env=False,
        )


def _port(url: str) -> int | None:
    # Without a port in the URL the client would take 6333 instead of the scheme's own.
    return httpx.URL(url).port


@contextmanager
def _keys_without_tls() -> Iterator[None]:
    """Whether a cluster's own network is encrypted is decided there; the client would warn at every start."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        yield


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn the client's exceptions into domain errors.

    Raises:
        StoreNotFoundError: No such collection.
        StoreExistsError: The collection is there already.
        UnavailableError: The store does not answer, not in time, or says that it cannot.
        ExhaustedError: The store sheds load.
        InternalError: The store refused what we sent; its reason is in the log.
    """
    try:
        yield
    except UnexpectedResponse as error:
        raise _from_response(error) from None
    except ResponseHandlingException as error:
        raise _from_transport(error.source) from None
    except ResourceExhaustedResponse as error:
        raise ExhaustedError("The vector store sheds load.", retry_after_s=float(error.retry_after_s)) from None


def _from_response(error: UnexpectedResponse) -> Exception:
    if error.status_code == 404:
        return StoreNotFoundError()
    if error.status_code == 409:
        return StoreExistsError()
    if error.status_code is not None and error.status_code >= 500:
        log.warning("store_failed", status=error.status_code, body=error.content[:500])
        return UnavailableError("The vector store cannot carry out the call now.", retry_after_s=RETRY_AFTER_S)
    log.error("store_refused", status=error.status_code, body=error.content[:500])
    return InternalError()


def _from_transport(source: Exception) -> ImageragError:
    if isinstance(source, httpx.TimeoutException):
        # The caller's own time is not over: to it, a store that hangs is one that is not there.
        return UnavailableError("The vector store did not answer in time.", retry_after_s=RETRY_AFTER_S)
    if isinstance(source, httpx.TransportError):
        return UnavailableError("The vector store does not answer.", retry_after_s=RETRY_AFTER_S)
    log.error("store_answer_unreadable", exc_info=source)
    return InternalError()
