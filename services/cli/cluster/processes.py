"""Whether a process is there."""

from __future__ import annotations

import os
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether there is a running process with this number.

    One that has ended counts as gone even while nobody has asked for its status: under a parent that never asks,
    such as the first process of many containers, it would else seem to live for ever.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _state(pid) != "Z"


def _state(pid: int) -> str:
    """The letter that Linux gives the process's state; empty where there is no /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The second field, the name in brackets, may hold blanks and brackets itself.
    return text.rpartition(")")[2].split()[0]
