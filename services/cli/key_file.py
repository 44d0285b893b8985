"""The gateway's keys file, as an operator changes it: whole or not at all, and readable by its owner alone."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from services.cli.errors import CliError
from services.common.api_keys import ApiKey, line_of, parse_keys

_OWNER_ONLY = 0o600


def read_keys(path: Path) -> list[ApiKey]:
    """What the file says.

    Raises:
        CliError: It cannot be read, or the gateway would refuse it.
    """
    return _parse(path, _read(path))


def append_key(path: Path, key: ApiKey) -> None:
    """Add a line. A new file is readable by its owner alone; an old one keeps its mode and owner.

    Raises:
        CliError: The name is taken, or the file cannot be written or does not hold lines.
    """
    text = _read(path) if path.exists() else ""
    if text.lstrip().startswith("["):
        raise CliError(f"{path} holds a JSON list.", "Write one object a line, or add the printed line by hand.")
    if text.strip() and any(known.name == key.name for known in _parse(path, text)):
        raise CliError(f"{path} has a key named {key.name!r} already.", "Give another --name.")
    lines = [*text.splitlines(), line_of(key)]
    _replace(path, lines)


def remove_key(path: Path, name: str) -> ApiKey:
    """Take the line of a name out; every other line stays as it is.

    Raises:
        CliError: There is no such name, it is the last key, or the file cannot be written.
    """
    keys = read_keys(path)
    found = next((key for key in keys if key.name == name), None)
    if found is None:
        raise CliError(f"{path} has no key named {name!r}.", "`imagerag keys list` says which there are.")
    if len(keys) == 1:
        raise CliError(f"{name!r} is the last key: the gateway needs one.", "Create the next one first.")
    digest = found.sha256.hex()
    _replace(path, [line for line in _read(path).splitlines() if digest not in line.lower()])
    return found


def is_readable_by_others(path: Path) -> bool:
    """Whether every user of this machine may read the file."""
    return bool(path.stat().st_mode & stat.S_IROTH)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{path} cannot be read: {error}.", "Name the keys file with --file.") from None


def _parse(path: Path, text: str) -> list[ApiKey]:
    try:
        return parse_keys(text)
    except ValueError as error:
        raise CliError(
            f"{path}: {error}.", "The gateway would refuse this file, or go on with the old one."
        ) from None


def _replace(path: Path, lines: Sequence[str]) -> None:
    """Write beside and rename: a gateway that reads meanwhile sees the old file or the new one."""
    text = "".join(f"{line}\n" for line in lines)
    _parse(path, text)
    path = path.resolve()
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if path.exists():
                kept = path.stat()
                os.fchmod(descriptor, stat.S_IMODE(kept.st_mode))
                if kept.st_uid != os.geteuid():
                    os.fchown(descriptor, kept.st_uid, kept.st_gid)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise CliError(
            f"{path} cannot be written: {error}.", "Leave --file out to have the line printed."
        ) from None
