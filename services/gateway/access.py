"""Who may reach a gateway without keys: only this machine, and only pages that this gateway itself served."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from services.common.errors import ForbiddenError
from services.common.settings import SettingsError
from services.gateway.cross_origin import ANY, parse_origins
from services.gateway.keys import FileKeyring, Keyring, OpenKeyring
from services.gateway.problems import problem_of
from services.gateway.refusals import refuse
from services.gateway.settings import GatewaySettings

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def open_keyring(settings: GatewaySettings) -> Keyring:
    """The keyring that the settings ask for.

    Raises:
        SettingsError: The keys file cannot be used; or there is none, and strangers could come in.
    """
    if settings.keys_path is not None:
        return FileKeyring(settings.keys_path)
    if not is_loopback(settings.host):
        raise SettingsError(
            f"IMAGERAG_GATEWAY_HOST: {settings.host} can be reached from other machines, and no API keys are set. "
            "Set IMAGERAG_GATEWAY_KEYS_PATH to a file of key hashes, or listen on 127.0.0.1."
        )
    if ANY in parse_origins(settings.cors_origins):
        raise SettingsError(
            "IMAGERAG_GATEWAY_CORS_ORIGINS: without API keys, * would let every page on the web read and change "
            "what is stored. Name the origins, or set IMAGERAG_GATEWAY_KEYS_PATH."
        )
    return OpenKeyring()


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address without a port, is this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class LoopbackGuard:
    """Refuses what a browser was tricked into sending to a gateway without keys.

    A page of a stranger can point a name of its own at 127.0.0.1 (DNS rebinding): then `Host` is that name. Or
    it can post a form straight to 127.0.0.1: then `Origin` is that page.

    Args:
        app: The application behind it.
        origins: Of pages that may change things all the same.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str] = ()) -> None:
        self._app, self._origins = app, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            stranger = None if origin in self._origins else origin
            reason = reason_to_refuse(str(scope["method"]), headers.get("host"), stranger)
            if reason is not None:
                await refuse(problem_of(ForbiddenError(reason)), scope, receive, send)
                return
        await self._app(scope, receive, send)


def reason_to_refuse(method: str, host: str | None, origin: str | None) -> str | None:
    """Why a request without a key is refused; None if it is not."""
    if host is None or not is_loopback(_host_name(host)):
        return "Without API keys this gateway answers only to localhost; the request named another host."
    if method not in _SAFE_METHODS and origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return "Without API keys this gateway takes no changes from pages of other origins."
    return None


def _host_name(netloc: str) -> str:
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""
