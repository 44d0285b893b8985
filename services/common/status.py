"""The one table from a domain error to a gRPC status and an HTTP status."""

from __future__ import annotations

from typing import NamedTuple

import grpc

from services.common.errors import (
    DeadlineError,
    ExhaustedError,
    ImageragError,
    InternalError,
    InvalidRequestError,
    Kind,
    NotFoundError,
    PayloadTooLargeError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
)


class Status(NamedTuple):
    """How one kind of error is shown on each transport."""

    grpc: grpc.StatusCode
    http: int


STATUS: dict[Kind, Status] = {
    Kind.INVALID: Status(grpc.StatusCode.INVALID_ARGUMENT, 422),
    Kind.UNAUTHENTICATED: Status(grpc.StatusCode.UNAUTHENTICATED, 401),
    Kind.FORBIDDEN: Status(grpc.StatusCode.PERMISSION_DENIED, 403),
    Kind.NOT_FOUND: Status(grpc.StatusCode.NOT_FOUND, 404),
    Kind.CONFLICT: Status(grpc.StatusCode.FAILED_PRECONDITION, 409),
    Kind.TOO_LARGE: Status(grpc.StatusCode.INVALID_ARGUMENT, 413),
    Kind.UNSUPPORTED_MEDIA: Status(grpc.StatusCode.INVALID_ARGUMENT, 415),
    Kind.EXHAUSTED: Status(grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    Kind.UNAVAILABLE: Status(grpc.StatusCode.UNAVAILABLE, 503),
    Kind.TIMEOUT: Status(grpc.StatusCode.DEADLINE_EXCEEDED, 504),
    Kind.UNIMPLEMENTED: Status(grpc.StatusCode.UNIMPLEMENTED, 501),
    Kind.INTERNAL: Status(grpc.StatusCode.INTERNAL, 500),
}

_FROM_GRPC: dict[grpc.StatusCode, type[ImageragError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
    grpc.StatusCode.UNIMPLEMENTED: UnimplementedError,
    grpc.StatusCode.OUT_OF_RANGE: PayloadTooLargeError,
    # Sent by the transport itself (message limit, concurrency limit), so without a code of ours.
    grpc.StatusCode.RESOURCE_EXHAUSTED: ExhaustedError,
}


def status_of(error: ImageragError) -> Status:
    """The statuses that show `error`."""
    return STATUS[error.kind]


def from_grpc_status(code: grpc.StatusCode, service: str) -> ImageragError:
    """The domain error for a gRPC failure that carries no code of ours.

    The transport's own text may hold addresses and stays out of the message.
    """
    cls = _FROM_GRPC.get(code)
    if cls is None:
        return InternalError()
    return cls(f"The {service} did not carry out the call ({code.name.lower()}).")
