"""What answers without the engine: version, health, metrics. They stay live while the engine works."""

from __future__ import annotations

from importlib.metadata import version

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

OPEN_PATHS = frozenset({"/", "/healthz", "/livez", "/readyz"})
"""Answered without a key, as by the real server."""


def health_routes() -> list[Route]:
    """The routes; the store listens only once every collection is loaded, so live is ready."""
    paths = {
        "/healthz": "healthz check passed",
        "/livez": "healthz check passed",
        "/readyz": "all shards are ready",
    }
    return [
        Route("/", _version, methods=["GET"]),
        Route("/metrics", _metrics, methods=["GET"]),
        *[Route(path, _Text(text), methods=["GET"]) for path, text in paths.items()],
    ]


async def _version(_request: Request) -> Response:
    # qdrant-client warns unless the server's minor version is within one of its own: this speaks the client's.
    answer = {"title": "qdrant - vector search engine", "version": version("qdrant-client"), "commit": "edge"}
    return Response(orjson.dumps(answer), media_type="application/json")


async def _metrics(_request: Request) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


class _Text:
    """Answers with a fixed text."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def __call__(self, scope: object, receive: object, send: object) -> None:
        response = Response(self._text, media_type="text/plain")
        await response(scope, receive, send)  # type: ignore[arg-type]
