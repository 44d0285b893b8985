"""The audit log: one line for each write, each operator's look, and each refusal of access."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.door import CALLER, RULE
from services.gateway.keys import Caller
from services.gateway.policy import Rule
from services.gateway.problems import OUTCOME
from services.gateway.proxies import Network, client_address

LOGGER = "imagerag.audit"
DENIALS_PER_S = 20
"""Refusals that are written each second: a stranger must not fill the disk. The next line says how many were
left out."""
_DENIED = frozenset({401, 403})
log = structlog.stdlib.get_logger(LOGGER)


class Audit:
    """Writes the lines. Never a key, a query, a body or a path as it was sent.

    Args:
        app: The application behind it.
        trusted_proxies: Whose `X-Forwarded-For` is believed.
    """

    def __init__(self, app: ASGIApp, trusted_proxies: Sequence[Network] = ()) -> None:
        self._app, self._trusted = app, trusted_proxies
        self._denials = Budget(DENIALS_PER_S)
        # Whatever level the other logs are set to.
        logging.getLogger(LOGGER).setLevel(logging.INFO)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and write what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._write(scope, status)

    def _write(self, scope: Scope, status: int) -> None:
        rule: Rule | None = scope.get(RULE)
        denied = status in _DENIED
        audited = rule is not None and rule.is_audited
        if not (denied or audited) or (denied and not self._denials.spend()):
            return
        caller: Caller = scope.get(CALLER) or Caller(tenant="")
        left_out = self._denials.take_left_out()
        log.info(
            "audit",
            method="" if rule is None else rule.method,
            route="unmatched" if rule is None else rule.path,
            status=status,
            outcome=scope.get(OUTCOME, "ok" if 0 < status < 400 else "broken_off"),
            key=caller.name,
            tenant=caller.tenant,
            client=self._client(scope),
            **({"left_out": left_out} if left_out else {}),
        )

    def _client(self, scope: Scope) -> str:
        peer = scope.get("client") or ("", 0)
        return client_address(peer[0], Headers(scope=scope).getlist("x-forwarded-for"), self._trusted)


class Budget:
    """So many a second.

    Args:
        per_s: How many.
        clock_s: In seconds.
    """

    def __init__(self, per_s: int, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._clock_s = per_s, clock_s
        self._second, self._spent, self._left_out = -1, 0, 0

    def spend(self) -> bool:
        """Whether one more fits into this second."""
        second = int(self._clock_s())
        if second != self._second:
            self._second, self._spent = second, 0
        self._spent += 1
        if self._spent > self._per_s:
            self._left_out += 1
        return self._spent <= self._per_s

    def take_left_out(self) -> int:
        """How many did not fit since this was last asked."""
        left_out, self._left_out = self._left_out, 0
        return left_out
