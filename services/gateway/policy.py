"""Every address of the gateway in one table: who may call it, what it costs, and what it competes with.

An address that is not in the table is not served, so that a forgotten line shuts a door instead of leaving it
open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from starlette.routing import compile_path

from services.common.api_keys import Scope

UNITS_PER_REQUEST = 10
"""Costs are counted in tenths of a request."""
_REQUEST = UNITS_PER_REQUEST
_LIGHT = 1
"""A page of results brings 24 thumbnails, a bulk upload two calls a picture: each a tenth of a request."""
_QUESTION = 5 * UNITS_PER_REQUEST
"""A search and a text written about it."""


class Lane(StrEnum):
    """Requests that compete for the same places; a full lane never holds up another one."""

    SEARCH = "search"
    QUESTION = "question"
    UPLOAD = "upload"
    FILE = "file"
    OTHER = "other"


@dataclass(frozen=True)
class Rule:
    """How one address is served.

    Attributes:
        method: HTTP method.
        path: Template, e.g. "/v1/items/{item_id}".
        scopes: The caller's key must have one of these; none: anyone may call it.
        lane: What it competes with; None: it is too small to matter.
        cost: Tenths of a request that count against the key's rate.
    """

    method: str
    path: str
    scopes: tuple[Scope, ...] = ()
    lane: Lane | None = None
    cost: int = 0

    @property
    def is_audited(self) -> bool:
        """It changes something, or is for operators alone."""
        return bool(self.scopes) and Scope.READ not in self.scopes


def _open(path: str) -> Rule:
    return Rule("GET", path)


def _read(path: str, cost: int = _REQUEST) -> Rule:
    return Rule("GET", path, (Scope.READ,), Lane.OTHER, cost)


def _follow(path: str, cost: int = _REQUEST, method: str = "GET") -> Rule:
    """For those who put things in as well: they look what is there already, and how far their jobs are."""
    return Rule(method, path, (Scope.READ, Scope.WRITE), Lane.OTHER, cost)


def _write(method: str, path: str, lane: Lane, cost: int = _REQUEST) -> Rule:
    return Rule(method, path, (Scope.WRITE,), lane, cost)


RULES: tuple[Rule, ...] = (
    _open("/"),
    _open("/docs"),
    _open("/page/{name:path}"),
    _open("/openapi.json"),
    _open("/healthz"),
    _open("/readyz"),
    Rule("GET", "/metrics", (Scope.ADMIN,)),
    Rule("GET", "/v1/info", tuple(Scope), Lane.OTHER, _REQUEST),
    Rule("POST", "/v1/search", (Scope.READ,), Lane.SEARCH, _REQUEST),
    Rule("POST", "/v1/ask", (Scope.READ,), Lane.QUESTION, _QUESTION),
    _read("/v1/facets"),
    _read("/v1/catalogue"),
    _read("/v1/items/{item_id}"),
    _read("/v1/items/{item_id}/image", _LIGHT),
    _follow("/v1/media/{sha256}", _LIGHT, "HEAD"),
    _follow("/v1/uploads/{sha256}", _LIGHT, "HEAD"),
    _follow("/v1/jobs"),
    _follow("/v1/jobs/{job_id}"),
    _follow("/v1/jobs/{job_id}/failures"),
    _follow("/v1/jobs/{job_id}/duplicates"),
    _follow("/v1/jobs/{job_id}/events"),
    _follow("/v1/jobs/{job_id}/verify", _QUESTION),
    _write("POST", "/v1/items", Lane.UPLOAD),
    _write("POST", "/v1/catalogue", Lane.UPLOAD),
    _write("DELETE", "/v1/items/{item_id}", Lane.OTHER),
    _write("PUT", "/v1/media", Lane.UPLOAD, _LIGHT),
    _write("PUT", "/v1/uploads", Lane.FILE, _LIGHT),
    # One request, however many pictures it brings: bytes, places and the workers' queue bound what they cost.
    _write("POST", "/v1/jobs", Lane.UPLOAD),
    _write("POST", "/v1/jobs/{job_id}/cancel", Lane.OTHER),
    _write("POST", "/v1/jobs/{job_id}/pause", Lane.OTHER),
    _write("POST", "/v1/jobs/{job_id}/resume", Lane.OTHER),
    _write("POST", "/v1/jobs/{job_id}/retry", Lane.OTHER),
)


@dataclass(frozen=True)
class Match:
    """What the table says about one request.

    Attributes:
        rule: How it is served; None: it is not.
        allowed: The methods that its path takes; empty: there is no such path.
    """

    rule: Rule | None
    allowed: tuple[str, ...] = ()


class Policy:
    """Looks requests up.

    Args:
        rules: The table.
    """

    def __init__(self, rules: Iterable[Rule] = RULES) -> None:
        by_path: dict[str, dict[str, Rule]] = {}
        for rule in rules:
            by_path.setdefault(rule.path, {})[rule.method] = rule
        self._plain = {path: methods for path, methods in by_path.items() if "{" not in path}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Rule]]] = [
            (compile_path(path)[0], methods) for path, methods in by_path.items() if "{" in path
        ]

    def find(self, method: str, path: str) -> Match:
        """The rule of a request."""
        methods = self._methods_of(path)
        return Match(methods.get(method), tuple(sorted(methods)))

    def _methods_of(self, path: str) -> dict[str, Rule]:
        plain = self._plain.get(path)
        if plain is not None:
            return plain
        return next((methods for pattern, methods in self._patterns if pattern.match(path)), {})
