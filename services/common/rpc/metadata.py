"""Names and reading of the gRPC metadata that crosses every call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.common.telemetry.request_id import HEADER

REQUEST_ID = HEADER
ERROR_CODE = "imagerag-error-code"
RETRY_AFTER = "imagerag-retry-after-s"


def as_mapping(metadata: Iterable[tuple[str, str | bytes]] | None) -> Mapping[str, str]:
    """The text entries of gRPC metadata; of a repeated key the last value."""
    return {key: value for key, value in metadata or () if isinstance(value, str)}
