"""The client side: one channel with retries, deadlines, keepalive, and domain errors instead of RpcError."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable
from typing import Any, TypeVar

import grpc

from services.common.errors import ImageragError, UnavailableError, rebuild
from services.common.rpc.metadata import ERROR_CODE, REQUEST_ID, RETRY_AFTER, as_mapping
from services.common.rpc.server import MESSAGE_LIMIT_BYTES
from services.common.rpc.tracing import client_interceptors
from services.common.status import from_grpc_status
from services.common.telemetry.request_id import current_request_id

R = TypeVar("R")
_CUT_OFF = "Internal error from Core"
"""grpc.aio's text where a message could not be sent because the call had ended; the call's own status is lost."""

_KEEPALIVE_MS, _PING_TIMEOUT_MS = 2_000, 3_000
"""A replica that hangs is given up after 3 to 5 s and its calls go to another one: in time for a search, which
gives the encoder 8 s."""
_RETRY_POLICY = {
    # UNAVAILABLE alone: the connection broke. A service that itself says "not now" forbids the retry (pushback).
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


def open_channel(
    target: str, *, health_name: str = "", credentials: grpc.ChannelCredentials | None = None
) -> grpc.aio.Channel:
    """A channel to every replica behind `target`, taken in turn; connects on first use.

    Open it after a fork and inside the event loop that uses it: gRPC channels survive neither change.

    Args:
        target: `host:port`, a `dns:///host:port` with many addresses, or `ipv4:address:port,address:port`.
        health_name: Asked of each replica's health service; one that says no is passed over. Empty: none is asked.
        credentials: For TLS; None: plain text.
    """
    options = _options(health_name)
    interceptors = client_interceptors()
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=options, interceptors=interceptors)
    return grpc.aio.secure_channel(target, credentials, options=options, interceptors=interceptors)


def _options(health_name: str) -> list[tuple[str, int | str]]:
    return [
        ("grpc.service_config", _service_config(health_name)),
        ("grpc.enable_retries", 1),
        # By default a call above 256 KiB, a photo, is not tried again.
        ("grpc.per_rpc_retry_buffer_size", MESSAGE_LIMIT_BYTES),
        ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
        ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", _PING_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        # gRPC's own pings, which measure bandwidth, hold the keepalive up: an unanswered one must count as well.
        ("grpc.http2.ping_timeout_ms", _PING_TIMEOUT_MS),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        # The name is looked up again when a connection ends, but by default not within 30 s.
        ("grpc.dns_min_time_between_resolutions_ms", 10_000),
        # An environment proxy has no business between services of one cluster.
        ("grpc.enable_http_proxy", 0),
    ]


def _service_config(health_name: str) -> str:
    config: dict[str, Any] = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [{"name": [{}], "retryPolicy": _RETRY_POLICY}],
    }
    if health_name:
        config["healthCheckConfig"] = {"serviceName": health_name}
    return json.dumps(config)


def call_metadata() -> tuple[tuple[str, str], ...]:
    """Metadata of an outgoing call: the request id of this context."""
    request_id = current_request_id()
    return ((REQUEST_ID, request_id),) if request_id else ()


async def unary(service: str, call: Awaitable[R]) -> R:
    """Await a unary call.

    Args:
        service: Name for error texts, e.g. "encoder".
        call: The running call.

    Raises:
        ImageragError: The error the server sent, or the one its status stands for.
    """
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise to_domain_error(error, service) from None


async def stream(
    service: str, call: grpc.aio.UnaryStreamCall[Any, R] | grpc.aio.StreamStreamCall[Any, R]
) -> AsyncGenerator[R, None]:
    """Iterate a server's answers; errors as in `unary`. Closing the generator ends the call at the server too."""
    try:
        async for message in call:
            yield message
    except grpc.aio.AioRpcError as error:
        raise to_domain_error(error, service) from None
    finally:
        # Else it runs until the call object is collected, and a model writes on for nobody.
        call.cancel()


def to_domain_error(error: grpc.aio.AioRpcError, service: str) -> ImageragError:
    """The domain error that a failed call stands for."""
    trailing = as_mapping(error.trailing_metadata())
    code = trailing.get(ERROR_CODE)
    if code is None and error.details() == _CUT_OFF:
        return UnavailableError(f"The {service} ended the call while it was still being sent to.")
    if code is None:
        return from_grpc_status(error.code(), service)
    retry_after = trailing.get(RETRY_AFTER)
    return rebuild(code, error.details() or "", retry_after_s=float(retry_after) if retry_after else None)
