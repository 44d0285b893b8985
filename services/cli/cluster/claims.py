"""Ports that clusters of this user have chosen, so that two that start at once do not choose the same."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Set
from pathlib import Path

from services.cli.cluster.processes import is_alive

Choose = Callable[[Set[int]], dict[str, int]]
"""Given the ports that others have chosen, choose one for each part."""


def claim_ports(choose: Choose, path: Path | None = None) -> dict[str, int]:
    """Choose ports and note them under this process's number.

    Between the choice and the first `listen` lie seconds in which a port looks free. Notes of processes that
    are gone do not count.

    Args:
        choose: Called with the ports that others have noted; nobody else chooses meanwhile.
        path: The file of notes.
    """
    try:
        # The folder is open to everyone: a link that someone else laid there is not followed.
        descriptor = os.open(path or _notes_path(), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError:
        return choose(set())
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        others = _of_living_others(file.read())
        chosen = choose({port for ports in others.values() for port in ports})
        file.seek(0)
        file.truncate()
        file.write(json.dumps({**others, str(os.getpid()): sorted(chosen.values())}))
    return chosen


def _notes_path() -> Path:
    return Path(tempfile.gettempdir()) / f"imagerag-ports-{os.getuid()}.json"


def _of_living_others(text: str) -> Mapping[str, list[int]]:
    try:
        found = {int(pid): list(map(int, ports)) for pid, ports in json.loads(text or "{}").items()}
        return {str(pid): ports for pid, ports in found.items() if pid != os.getpid() and is_alive(pid)}
    except (ValueError, TypeError, AttributeError):
        # Notes that cannot be read are as good as none: the ports are tried all the same.
        return {}
