"""Pages of other origins: none may read an answer, unless the settings name it."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from services.common.telemetry.request_id import HEADER

ANY = "*"
_PREFLIGHT_KEPT_S = 600
_SENT = ("Authorization", "Content-Type", HEADER)
_SHOWN = (
    HEADER,
    "Retry-After",
    "RateLimit-Limit",
    "RateLimit-Policy",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "ETag",
)


def parse_origins(text: str) -> tuple[str, ...]:
    """Origins, comma separated, as browsers send them.

    Raises:
        ValueError: Names the one that is no origin.
    """
    return tuple(_origin(part.strip()) for part in text.split(",") if part.strip())


def with_cross_origin(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """`app` with answers to preflights. No cookies: a key is sent by a page that has it, never by the browser."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "HEAD", "POST", "PUT", "DELETE"),
        allow_headers=_SENT,
        expose_headers=_SHOWN,
        max_age=_PREFLIGHT_KEPT_S,
    )


def _origin(text: str) -> str:
    if text == ANY:
        return text
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or text != f"{parts.scheme}://{parts.netloc}":
        raise ValueError(f"{text!r} is no origin: write a scheme and a host such as https://shop.example")
    return text.lower()
