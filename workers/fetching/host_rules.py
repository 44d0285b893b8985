"""Which hosts may be fetched from, as an operator writes it: names, names below one, or any. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.common.errors import ImageragError
from workers.fetching.web_url import PORTS, parse_host

ANY = "*"
_RULE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/@\s]+)(?::([0-9]{1,5}))?")
_USUAL_PORTS = frozenset(PORTS.values())


@dataclass(frozen=True)
class HostRule:
    """Allows some hosts.

    Attributes:
        host: One, or below which all are meant; empty: any.
        below: The names below `host` are meant, at any depth, and not `host` itself.
        port: The only one; None: 80 and 443.
    """

    host: str = ""
    below: bool = False
    port: int | None = None

    def allows(self, host: str, port: int) -> bool:
        """Whether a parsed host and port are meant."""
        if port not in (_USUAL_PORTS if self.port is None else {self.port}):
            return False
        if not self.host:
            return True
        return host.endswith(f".{self.host}") if self.below else host == self.host


def parse_host_rules(text: str) -> tuple[HostRule, ...]:
    """Rules of a setting, such as `example.com, *.example.org, dam.local:8443` or `*`; a JSON list as well.

    Raises:
        ValueError: One is not such a rule.
    """
    inner = text.strip()
    if inner.startswith("[") and inner[1:].lstrip().startswith(('"', "'")):
        inner = inner.removeprefix("[").removesuffix("]")
    return tuple(_rule(part.strip().strip("\"'")) for part in inner.split(",") if part.strip())


def _rule(text: str) -> HostRule:
    found = _RULE.fullmatch(text)
    if not found or (found[2] and not 0 < int(found[2]) <= 65535):
        raise ValueError(_not_a_rule(text))
    port = int(found[2]) if found[2] else None
    if found[1] == ANY:
        return HostRule(port=port)
    below = found[1].startswith("*.")
    try:
        return HostRule(parse_host(found[1].removeprefix("*.")), below, port)
    except ImageragError:
        raise ValueError(_not_a_rule(text)) from None


def _not_a_rule(text: str) -> str:
    return f"{text!r} is not a host such as example.com, *.example.com or example.com:8080, nor * for any"
