"""The door: who comes in, whether it may do this, and whether there is room for it. Before a body is read."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common.errors import ImageragError, MissingScopeError
from services.gateway.keys import Caller, Keyring
from services.gateway.lanes import Lanes, Place
from services.gateway.policy import Lane, Policy, Rule
from services.gateway.problems import Problem, http_problem, problem_of
from services.gateway.rates.limiter import Charge, Limiter
from services.gateway.refusals import refuse

CALLER = "imagerag.caller"
"""Key in the ASGI scope: the `Caller`."""
RULE = "imagerag.rule"
"""Key in the ASGI scope: the `Rule` of the address."""
_PLACE = "imagerag.place"
# A body that comes slowly holds no place of these; an upload does, for its bytes lie in memory.
_ENTERED_AFTER_THE_BODY = frozenset({Lane.SEARCH, Lane.QUESTION})


class Door:
    """Lets requests in by the policy.

    Args:
        app: The application behind it.
        keyring: Knows the callers.
        limiter: Their shares.
        lanes: The room there is.
        policy: What each address asks for.
    """

    def __init__(self, app: ASGIApp, keyring: Keyring, limiter: Limiter, lanes: Lanes, policy: Policy) -> None:
        self._app, self._keyring, self._policy = app, keyring, policy
        self._limiter, self._lanes = limiter, lanes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        match = self._policy.find(scope["method"], scope["path"])
        if match.rule is None:
            await refuse(_no_such_address(match.allowed), scope, receive, send)
            return
        scope[RULE] = match.rule
        try:
            caller = self._known(match.rule, scope)
            place = self._lanes.place(match.rule.lane)
        except ImageragError as error:
            await refuse(problem_of(error), scope, receive, send)
            return
        charge = await self._limiter.charge(caller, match.rule.cost)
        if charge.refusal is not None:
            await refuse(_with_headers(charge.refusal, charge), scope, receive, send)
            return
        await self._admit(caller, place, charge, scope, receive, send)

    def _known(self, rule: Rule, scope: Scope) -> Caller:
        """The caller, if it may do what the rule asks for."""
        if not rule.scopes:
            return _ANYONE
        caller = self._keyring.caller_of(Headers(scope=scope).get("authorization"))
        scope[CALLER] = caller
        if not caller.scopes.intersection(rule.scopes):
            needed = " or ".join(repr(scope.value) for scope in rule.scopes)
            raise MissingScopeError(f"This key lacks the scope {needed} that {rule.method} {rule.path} needs.")
        return caller

    async def _admit(
        self, caller: Caller, place: Place, charge: Charge, scope: Scope, receive: Receive, send: Send
    ) -> None:
        scope[_PLACE] = place
        rule: Rule = scope[RULE]
        with ExitStack() as admitted:
            try:
                admitted.enter_context(self._limiter.running(caller))
                admitted.callback(place.give_back)
                if rule.lane not in _ENTERED_AFTER_THE_BODY:
                    place.take()
            except ImageragError as error:
                await refuse(_with_headers(error, charge), scope, receive, send)
                return
            await self._app(scope, _entering(receive, place), _saying(send, charge.headers))


_ANYONE = Caller(tenant="")


def caller_of(request: Request) -> Caller:
    """Who was let in."""
    caller: Caller = request.scope[CALLER]
    return caller


def leave_place(request: Request) -> None:
    """Give the request's place back before its end: from here on it only waits."""
    place: Place = request.scope[_PLACE]
    place.give_back()


def _no_such_address(allowed: tuple[str, ...]) -> Problem:
    return http_problem(405, {"allow": ", ".join(allowed)}) if allowed else http_problem(404)


def _with_headers(error: ImageragError, charge: Charge) -> Problem:
    problem = problem_of(error)
    return replace(problem, headers={**problem.headers, **charge.headers})


def _entering(receive: Receive, place: Place) -> Receive:
    """`receive` that takes the place once the body is whole."""

    async def receive_then_enter() -> Message:
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            place.take()
        return message

    return receive_then_enter


def _saying(send: Send, headers: Mapping[str, str]) -> Send:
    """`send` that tells the caller how it stands."""
    if not headers:
        return send

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return send_with_headers
