"""Who a caller is: the key in its request, compared with those of a file that may change at any time."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import structlog

from services.common.api_keys import ApiKey, Scope, hash_of, parse_keys
from services.common.domain import DEFAULT_TENANT
from services.common.errors import UnauthenticatedError
from services.common.settings import SettingsError

log = structlog.get_logger(__name__)
_SCHEME = "bearer "


@dataclass(frozen=True)
class Caller:
    """Who sent a request.

    Attributes:
        tenant: Whose data it may touch.
        name: Of its key, for the audit log; empty on a gateway without keys.
        scopes: What it may do.
        id: Names its share of the limits; empty: no limits of its own.
        requests_per_s: Its own rate; None: the default.
        concurrent: Its own bound on requests at once; None: the default.
    """

    tenant: str
    name: str = ""
    scopes: frozenset[Scope] = frozenset(Scope)
    id: str = ""
    requests_per_s: float | None = None
    concurrent: int | None = None


class Keyring(Protocol):
    """Tells who a caller is."""

    def caller_of(self, authorization: str | None) -> Caller:
        """The caller that an `Authorization` header stands for.

        Raises:
            UnauthenticatedError: No key, or one that is unknown or expired.
        """


class OpenKeyring:
    """Without keys everyone is the default tenant; only a server on loopback may use it."""

    def caller_of(self, authorization: str | None) -> Caller:
        """Always the default tenant, with every scope and no limits of its own."""
        del authorization
        return Caller(DEFAULT_TENANT)


class FileKeyring:
    """Keys from a file, read again when the file changes.

    A changed file that cannot be read leaves the last good keys in force, and the log says so: a slip of the
    pen locks no one out.

    Args:
        path: See `services.common.api_keys.parse_keys` for the format.

    Raises:
        SettingsError: The file cannot be read now.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._version = _version(path)
        try:
            self._keys: Sequence[ApiKey] = parse_keys(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingsError(f"IMAGERAG_GATEWAY_KEYS_PATH: {path} cannot be used: {error}") from None

    def caller_of(self, authorization: str | None) -> Caller:
        """See `Keyring.caller_of`."""
        self._reload_if_changed()
        if authorization is None or not authorization.lower().startswith(_SCHEME):
            raise UnauthenticatedError("An API key is needed: send the header 'Authorization: Bearer <key>'.")
        key = find_key(self._keys, authorization[len(_SCHEME) :].strip())
        if key is None:
            raise UnauthenticatedError("This API key is not known here.")
        if key.expired(datetime.now(UTC)):
            raise UnauthenticatedError("This API key has expired. Ask for a new one.")
        return caller_with(key)

    def _reload_if_changed(self) -> None:
        version = _version(self._path)
        with self._lock:
            if version == self._version:
                return
            self._version = version
            try:
                self._keys = parse_keys(self._path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                log.error("keys_unreadable", path=str(self._path), detail=str(error))
                return
            log.info("keys_reloaded", path=str(self._path), keys=len(self._keys))


def find_key(keys: Sequence[ApiKey], presented: str) -> ApiKey | None:
    """The entry of a presented key, or None.

    Every entry is compared, each in constant time: how long it takes says nothing about the keys.
    """
    digest = hash_of(presented)
    found: ApiKey | None = None
    for key in keys:
        if hmac.compare_digest(key.sha256, digest):
            found = key
    return found


def caller_with(key: ApiKey) -> Caller:
    """The caller who holds `key`. Limits are counted under its hash: a name may be given twice."""
    return Caller(
        tenant=key.tenant,
        name=key.name,
        scopes=key.scopes,
        id=key.sha256.hex()[:32],
        requests_per_s=key.requests_per_s,
        concurrent=key.concurrent,
    )


def _version(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0, 0)
    return (status.st_mtime_ns, status.st_size, status.st_ino)
