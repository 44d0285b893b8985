"""The child process of an index build: `python -m services.store.optimising FOLDER PARENT_PID`.

It imports the engine and nothing else, so that it starts at once and leaves the memory to the build.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

import qdrant_edge as edge

NOTHING_TO_DO = 3
"""Exit status: the engine found nothing to build."""
ORPHANED = 4
"""Exit status: the store died before this process could tie itself to it."""


def optimise(folder: Path) -> bool:
    """Build what is to be built in a shard that nobody else has open.

    Returns:
        Whether anything changed.
    """
    shard = edge.EdgeShard.load(str(folder))
    changed = shard.optimize()
    shard.flush()
    shard.close()
    return changed


def die_with(parent_pid: int) -> bool:
    """Be killed when the store dies, on Linux. A thread could not watch: the engine holds the global lock.

    Returns:
        Whether the store still lives. An orphan must not touch the folder: the store that was started anew is
        removing it.
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    return os.getppid() == parent_pid


def main() -> int:
    """Build, and return the exit status."""
    folder, parent_pid = Path(sys.argv[1]), int(sys.argv[2])
    if not die_with(parent_pid):
        return ORPHANED
    os.nice(10)
    return 0 if optimise(folder) else NOTHING_TO_DO


if __name__ == "__main__":
    sys.exit(main())
