"""The client side: one channel with retries, deadlines, keepalive, and domain errors instead of RpcError."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from typing import TypeVar

import grpc

from services.common.errors import ImageragError, rebuild
from services.common.rpc.metadata import ERROR_CODE, REQUEST_ID, RETRY_AFTER, as_mapping
from services.common.rpc.server import MESSAGE_LIMIT_BYTES
from services.common.rpc.tracing import client_interceptors
from services.common.status import from_grpc_status
from services.common.telemetry.request_id import current_request_id

R = TypeVar("R")

_SERVICE_CONFIG = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {
                "name": [{}],
                # UNAVAILABLE alone: the call did not reach a servicer, or the service says "not now".
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
    }
)


def open_channel(target: str) -> grpc.aio.Channel:
    """A channel to `target` (`host:port` or a `dns:///` name); connects on first use.

    Open it after a fork and inside the event loop that uses it: gRPC channels survive neither change.
    """
    return grpc.aio.insecure_channel(
        target,
        options=[
            ("grpc.service_config", _SERVICE_CONFIG),
            ("grpc.enable_retries", 1),
            ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
            ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
            ("grpc.keepalive_time_ms", 10_000),
            ("grpc.keepalive_timeout_ms", 5_000),
            ("grpc.max_reconnect_backoff_ms", 2_000),
            # An environment proxy has no business between services of one cluster.
            ("grpc.enable_http_proxy", 0),
        ],
        interceptors=client_interceptors(),
    )


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


async def stream(service: str, call: AsyncIterable[R]) -> AsyncIterator[R]:
    """Iterate a server stream; errors as in `unary`."""
    try:
        async for message in call:
            yield message
    except grpc.aio.AioRpcError as error:
        raise to_domain_error(error, service) from None


def to_domain_error(error: grpc.aio.AioRpcError, service: str) -> ImageragError:
    """The domain error that a failed call stands for."""
    trailing = as_mapping(error.trailing_metadata())
    code = trailing.get(ERROR_CODE)
    if code is None:
        return from_grpc_status(error.code(), service)
    retry_after = trailing.get(RETRY_AFTER)
    return rebuild(code, error.details() or "", retry_after_s=float(retry_after) if retry_after else None)
