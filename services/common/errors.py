"""The one tree of domain errors. It knows no transport: `services.common.status` maps it to gRPC and HTTP."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


class Kind(Enum):
    """What sort of thing went wrong, as a caller would act on it."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA = "unsupported_media"
    EXHAUSTED = "exhausted"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    UNIMPLEMENTED = "unimplemented"
    INTERNAL = "internal"


class ImageragError(Exception):
    """Base of every error that may be shown to a caller.

    Attributes:
        code: Stable snake_case name, unique in the tree; clients switch on it.
        kind: The sort of error; decides the status on every transport.
        retryable: Whether the same call may succeed later without a change.
        retry_after_s: When to try again, if that is known.
    """

    code: ClassVar[str] = "internal"
    kind: ClassVar[Kind] = Kind.INTERNAL
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s


class InvalidRequestError(ImageragError):
    """The request cannot be carried out as written; the message says what to change."""

    code, kind = "invalid_request", Kind.INVALID


class InvalidFilterError(InvalidRequestError):
    """A filter names an unknown operator or compares with a wrong type."""

    code = "invalid_filter"


class InvalidVectorError(InvalidRequestError):
    """A vector has a wrong dimension, a NaN, or indices that do not fit its values."""

    code = "invalid_vector"


class ImageError(InvalidRequestError):
    """A picture that cannot be used."""

    code = "image_unreadable"


class ImageEmptyError(ImageError):
    """A picture of zero bytes."""

    code = "image_empty"


class ImageTruncatedError(ImageError):
    """A picture whose data ends too early."""

    code = "image_truncated"


class ImageTooLargeError(ImageError):
    """More bytes or pixels than allowed."""

    code, kind = "image_too_large", Kind.TOO_LARGE


class ImageFormatError(ImageError):
    """Not one of the allowed formats."""

    code, kind = "image_format", Kind.UNSUPPORTED_MEDIA


class ImageWorkerLostError(ImageError):
    """The process died each time this picture was worked on."""

    code = "image_worker_lost"


class ArchiveError(InvalidRequestError):
    """An archive, or something in it, that cannot be read."""

    code = "archive_unreadable"


class ArchiveUnsafeError(ArchiveError):
    """An archive, or something in it, that is built to do harm, or could not be told from one that is."""

    code = "archive_unsafe"


class ArchiveTooLargeError(ArchiveError):
    """More members or bytes than allowed."""

    code, kind = "archive_too_large", Kind.TOO_LARGE


class UrlError(InvalidRequestError):
    """Something on the web that cannot be had: it is not there, or its address is none."""

    code = "url_unusable"


class UrlTooLargeError(UrlError):
    """Something on the web with more bytes than allowed."""

    code, kind = "url_too_large", Kind.TOO_LARGE


class UnauthenticatedError(ImageragError):
    """No key, or an unknown one."""

    code, kind = "unauthenticated", Kind.UNAUTHENTICATED


class ForbiddenError(ImageragError):
    """The caller is known but may not do this."""

    code, kind = "forbidden", Kind.FORBIDDEN


class MissingScopeError(ForbiddenError):
    """The caller's key lacks the scope that the operation needs; the message names it."""

    code = "missing_scope"


class UrlForbiddenError(ForbiddenError):
    """An address that may not be fetched from, or not in the way it is written."""

    code = "url_forbidden"


class NotFoundError(ImageragError):
    """There is no such thing in the caller's tenant."""

    code, kind = "not_found", Kind.NOT_FOUND


class ConflictError(ImageragError):
    """The state of the thing forbids the operation."""

    code, kind = "conflict", Kind.CONFLICT


class FingerprintMismatchError(ConflictError):
    """Caller and server work under different embedding contracts."""

    code = "fingerprint_mismatch"

    @classmethod
    def between(cls, expected: str, actual: str) -> FingerprintMismatchError:
        """Name both fingerprints.

        Args:
            expected: What the caller works under.
            actual: What the server works under.
        """
        return cls(
            f"This request expects the embedding contract {expected!r}, but the encoder serves {actual!r}. "
            "Vectors of different models never mix: start the encoder with the model the data was made with, "
            "or move the data to the new model."
        )


class PayloadTooLargeError(ImageragError):
    """A body or batch above its limit."""

    code, kind = "payload_too_large", Kind.TOO_LARGE


class UnsupportedMediaTypeError(ImageragError):
    """A body in a format this endpoint does not read."""

    code, kind = "unsupported_media_type", Kind.UNSUPPORTED_MEDIA


class ExhaustedError(ImageragError):
    """A bounded queue or quota is full."""

    code, kind, retryable = "exhausted", Kind.EXHAUSTED, True


class RateLimitedError(ExhaustedError):
    """One caller asks for more than its share."""

    code = "rate_limited"


class UnavailableError(ImageragError):
    """Something this depends on does not answer."""

    code, kind, retryable = "unavailable", Kind.UNAVAILABLE, True


class OverloadedError(UnavailableError):
    """All callers together ask for more than is taken on at once."""

    code = "overloaded"


class UrlUnreachableError(ImageragError):
    """A host on the web did not answer after several tries; it does not hold up the rest of its job."""

    code, kind = "url_unreachable", Kind.UNAVAILABLE


class DuplicatePendingError(UnavailableError):
    """A picture that may be the same came first and is still on its way; this one is compared with it after."""

    code = "duplicate_pending"


class ModelRefusedError(ImageragError):
    """A model behind a service does not accept its calls; that passes only with another setting."""

    code, kind = "model_refused", Kind.UNAVAILABLE


class ModelAnswerError(ImageragError):
    """What a model wrote cannot be used."""

    code, kind = "model_answer", Kind.UNAVAILABLE


class DeadlineError(ImageragError):
    """The answer did not come in time."""

    code, kind, retryable = "deadline_exceeded", Kind.TIMEOUT, True


class UnimplementedError(ImageragError):
    """Known, but not built or not configured here; the message names the feature."""

    code, kind = "unimplemented", Kind.UNIMPLEMENTED


class InternalError(ImageragError):
    """Anything unforeseen. Carries a fixed text: the cause stands in the log under the request id."""

    code, kind = "internal", Kind.INTERNAL

    def __init__(
        self, message: str = "Something went wrong on our side. The log has it under the request id."
    ) -> None:
        super().__init__(message)


def error_classes() -> dict[str, type[ImageragError]]:
    """Every class of the tree by its code, the most general class winning a shared code."""
    found: dict[str, type[ImageragError]] = {}
    pending: list[type[ImageragError]] = [ImageragError]
    while pending:
        cls = pending.pop(0)
        found.setdefault(cls.code, cls)
        pending.extend(cls.__subclasses__())
    return found


def rebuild(code: str, message: str, *, retry_after_s: float | None = None) -> ImageragError:
    """Turn a code and text that crossed a wire back into the error it was; an unknown code is internal."""
    cls = error_classes().get(code, InternalError)
    if cls in (InternalError, ImageragError):
        return InternalError()
    error = cls(message)
    error.retry_after_s = retry_after_s
    return error
