"""The file of API keys: one JSON object a line. It holds hashes; the keys themselves are nowhere."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any

from services.common.errors import InvalidRequestError
from services.common.tenant import check_tenant

KEY_BYTES = 32
"""Random bytes in a key: guessing one is hopeless, so one round of SHA-256 is all the hash that is needed."""
_PREFIX = "irk_"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}")
_FOR_PEOPLE = frozenset({"label", "note", "created"})
_MEMBERS = frozenset({"name", "tenant", "sha256", "scopes", "requests_per_s", "concurrent", "expires"})


class Scope(StrEnum):
    """What a key may do. None holds another: an operator who only reads metrics needs no data."""

    READ = "read"
    """Search, ask, look at items and jobs."""
    WRITE = "write"
    """Put in, delete, cancel."""
    ADMIN = "admin"
    """Look at how the gateway itself is."""


DEFAULT_SCOPES = frozenset({Scope.READ, Scope.WRITE})


@dataclass(frozen=True)
class ApiKey:
    """What a file says about one key.

    Attributes:
        tenant: Whose data it opens.
        sha256: Of the key's UTF-8 bytes, 32 bytes.
        name: Stands in the audit log.
        scopes: What it may do.
        requests_per_s: Its own rate; None: the gateway's default.
        concurrent: Its own bound on requests at once; None: the gateway's default.
        expires: From then on it is refused.
    """

    tenant: str
    sha256: bytes
    name: str
    scopes: frozenset[Scope] = DEFAULT_SCOPES
    requests_per_s: float | None = None
    concurrent: int | None = None
    expires: datetime | None = None

    def expired(self, now: datetime) -> bool:
        """Whether it is refused at `now`."""
        return self.expires is not None and now >= self.expires


def new_key() -> str:
    """A fresh key: a prefix that secret scanners can look for, and 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(KEY_BYTES)


def hash_of(key: str) -> bytes:
    """What the file keeps of a key, 32 bytes."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def line_of(key: ApiKey) -> str:
    """The line of a keys file that stands for `key`, without a line break."""
    members: dict[str, Any] = {
        "name": key.name,
        "tenant": key.tenant,
        "sha256": key.sha256.hex(),
        "scopes": [scope.value for scope in Scope if scope in key.scopes],
        "requests_per_s": key.requests_per_s,
        "concurrent": key.concurrent,
        "expires": None if key.expires is None else _shown_expiry(key.expires),
    }
    return json.dumps({name: value for name, value in members.items() if value is not None}, ensure_ascii=False)


def parse_keys(text: str) -> list[ApiKey]:
    """Read a keys file: one JSON object a line, or one JSON list of them; `#` starts a comment line.

    Each object has `tenant` and `sha256`, and may have `name`, `scopes`, `requests_per_s`, `concurrent` and
    `expires` (an ISO date, whose whole day in UTC still counts, or a date and time). `label`, `note` and
    `created` are for people. A tenant may have several keys, so that one can be replaced by the next.

    Raises:
        ValueError: Names the entry and what is wrong with it; never the hash.
    """
    if text.lstrip().startswith("["):
        numbered = list(enumerate(json.loads(text), start=1))
    else:
        lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
        numbered = [(number, _read_line(number, line)) for number, line in lines if line and line[0] != "#"]
    keys: dict[bytes, ApiKey] = {}
    for number, value in numbered:
        key = _entry(number, value)
        if key.sha256 in keys:
            raise ValueError(f"entry {number} repeats the hash of {keys[key.sha256].name!r}: remove one of them")
        keys[key.sha256] = key
    if not keys:
        raise ValueError("it holds no key; `imagerag keys create` writes one")
    return list(keys.values())


def parse_expiry(text: str) -> datetime:
    """The moment from which a key is refused; a bare date means the end of that day in UTC.

    Raises:
        ValueError: Not an ISO date.
    """
    try:
        if "T" not in text and " " not in text:
            return datetime.combine(date.fromisoformat(text), time.max, UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("'expires' must be an ISO date such as 2027-01-31 or 2027-01-31T12:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _shown_expiry(moment: datetime) -> str:
    moment = moment.astimezone(UTC)
    if moment.time() == time.max:
        return moment.date().isoformat()
    return moment.isoformat().replace("+00:00", "Z")


def _read_line(number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        raise ValueError(f"line {number} is not JSON") from None


def _entry(number: int, value: Any) -> ApiKey:
    if not isinstance(value, dict):
        raise ValueError(f"entry {number} is not an object with 'tenant' and 'sha256'")
    try:
        return _read_entry(value)
    except InvalidRequestError as error:
        raise ValueError(f"entry {number}: {error.message}") from None
    except ValueError as error:
        raise ValueError(f"entry {number}: {error}") from None


def _read_entry(value: Mapping[str, Any]) -> ApiKey:
    # A misspelt 'expires' would otherwise make a key that never ends.
    unknown = sorted(value.keys() - _MEMBERS - _FOR_PEOPLE)
    if unknown:
        raise ValueError(f"unknown member {unknown[0][:40]!r}; known are {', '.join(sorted(_MEMBERS))}")
    digest = str(value.get("sha256", "")).lower()
    if not _SHA256.fullmatch(digest):
        raise ValueError("'sha256' must be the 64 hex digits of the key's SHA-256")
    tenant = check_tenant(str(value.get("tenant", "")))
    expires = value.get("expires")
    return ApiKey(
        tenant=tenant,
        sha256=bytes.fromhex(digest),
        name=_name(value.get("name", f"{tenant}-{digest[:8]}")),
        scopes=_scopes(value.get("scopes")),
        requests_per_s=_positive("requests_per_s", value.get("requests_per_s"), int | float),
        concurrent=_positive("concurrent", value.get("concurrent"), int),
        expires=None if expires is None else parse_expiry(str(expires)),
    )


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError("'name' must be 1 to 64 letters, digits, spaces or . _ @ -, letter or digit first")
    return value


def _scopes(value: Any) -> frozenset[Scope]:
    if value is None:
        return DEFAULT_SCOPES
    known = [scope.value for scope in Scope]
    if not isinstance(value, list) or not value or any(part not in known for part in value):
        raise ValueError(f"'scopes' must be a list of some of {', '.join(known)}")
    return frozenset(Scope(part) for part in value)


def _positive(name: str, value: Any, kind: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, kind) or not 0 < value < 1e6:
        raise ValueError(f"{name!r} must be a {'whole ' if kind is int else ''}number above 0")
    return value
