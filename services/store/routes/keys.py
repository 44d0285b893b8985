"""The API key, compared in constant time before anything else is looked at."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from services.common.errors import UnauthenticatedError
from services.store.routes.health import OPEN_PATHS
from services.store.routes.wire import failure


class KeyCheck:
    """Lets a request through if it carries the key in `api-key` or as a bearer token.

    Args:
        app: What is behind it.
        key: The key.
    """

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app, self._key = app, key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or pass on."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or self._allowed(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        response = failure(UnauthenticatedError("Must provide a valid API key or an Authorization bearer token"))
        await response(scope, receive, send)

    def _allowed(self, headers: Headers) -> bool:
        given = headers.get("api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._key)
