"""API keys: a file of hashes, each naming a tenant. The keys themselves are nowhere."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import structlog

from services.common.domain import DEFAULT_TENANT
from services.common.errors import InvalidRequestError, UnauthenticatedError
from services.common.settings import SettingsError
from services.common.tenant import check_tenant

log = structlog.get_logger(__name__)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SCHEME = "bearer "


class Keyring(Protocol):
    """Tells whose data a caller may touch."""

    def tenant_of(self, authorization: str | None) -> str:
        """The tenant that an `Authorization` header stands for.

        Raises:
            UnauthenticatedError: No key, or an unknown one.
        """


class OpenKeyring:
    """Without keys everyone is the default tenant; only a server on loopback may use it."""

    def tenant_of(self, authorization: str | None) -> str:
        """Always the default tenant."""
        del authorization
        return DEFAULT_TENANT


@dataclass(frozen=True)
class KeyEntry:
    """One key: the SHA-256 of its UTF-8 bytes, and its tenant."""

    tenant: str
    sha256: bytes


class FileKeyring:
    """Keys from a file, read again when the file changes.

    A changed file that cannot be read leaves the last good keys in force, and the log says so: a slip of the
    pen locks no one out.

    Args:
        path: See `parse_keys` for the format.

    Raises:
        SettingsError: The file cannot be read now.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._version = _version(path)
        try:
            self._entries: Sequence[KeyEntry] = parse_keys(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingsError(f"IMAGERAG_GATEWAY_KEYS_PATH: {path} cannot be used: {error}") from None

    def tenant_of(self, authorization: str | None) -> str:
        """See `Keyring.tenant_of`."""
        self._reload_if_changed()
        if authorization is None or not authorization.lower().startswith(_SCHEME):
            raise UnauthenticatedError("An API key is needed: send the header 'Authorization: Bearer <key>'.")
        tenant = find_tenant(self._entries, authorization[len(_SCHEME) :].strip())
        if tenant is None:
            raise UnauthenticatedError("This API key is not known here.")
        return tenant

    def _reload_if_changed(self) -> None:
        version = _version(self._path)
        with self._lock:
            if version == self._version:
                return
            self._version = version
            try:
                self._entries = parse_keys(self._path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                log.error("keys_unreadable", path=str(self._path), detail=str(error))
                return
            log.info("keys_reloaded", path=str(self._path), keys=len(self._entries))


def find_tenant(entries: Sequence[KeyEntry], key: str) -> str | None:
    """The tenant of `key`, or None.

    Every entry is compared, each in constant time: how long it takes says nothing about the keys.
    """
    presented = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
    found: str | None = None
    for entry in entries:
        if hmac.compare_digest(entry.sha256, presented):
            found = entry.tenant
    return found


def parse_keys(text: str) -> list[KeyEntry]:
    """Read a keys file: a JSON list, or one JSON object a line; `#` starts a comment line.

    Each object is `{"tenant": "shop", "sha256": "<64 hex digits: SHA-256 of the key>"}`; further members (a
    label, a date) are for people. A tenant may have several keys, so that one can be replaced by the next.

    Raises:
        ValueError: Names the entry and what is wrong with it; never the hash.
    """
    if text.lstrip().startswith("["):
        numbered = list(enumerate(json.loads(text), start=1))
    else:
        lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
        numbered = [(number, _read_line(number, line)) for number, line in lines if line and line[0] != "#"]
    entries = [_entry(number, value) for number, value in numbered]
    if not entries:
        raise ValueError('it holds no key; write lines like {"tenant": "shop", "sha256": "..."}')
    return entries


def _read_line(number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        raise ValueError(f"line {number} is not JSON") from None


def _entry(number: int, value: Any) -> KeyEntry:
    if not isinstance(value, dict):
        raise ValueError(f"entry {number} is not an object with 'tenant' and 'sha256'")
    digest = str(value.get("sha256", "")).lower()
    if not _SHA256.fullmatch(digest):
        raise ValueError(f"entry {number}: 'sha256' must be the 64 hex digits of the key's SHA-256")
    try:
        return KeyEntry(check_tenant(str(value.get("tenant", ""))), bytes.fromhex(digest))
    except InvalidRequestError as error:
        raise ValueError(f"entry {number}: {error.message}") from None


def _version(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0, 0)
    return (status.st_mtime_ns, status.st_size, status.st_ino)
