"""Opens an unpacked shard in a child process: `python -m services.store.snapshots.checking FOLDER PARENT_PID`.

A damaged shard can make the engine panic or end the process; here it ends the child. It also replays the log, so
that the store, which cannot answer meanwhile, has next to nothing left to do when it opens the shard.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import qdrant_edge as edge

from services.store.optimising import ORPHANED, die_with


def check(folder: Path) -> int:
    """Open, replay, flush and close a shard that nobody else has open.

    Returns:
        Its points.
    """
    shard = edge.EdgeShard.load(str(folder))
    points = shard.info().points_count
    shard.flush()
    shard.close()
    return points


async def points_in_child(folder: Path) -> int | None:
    """The points of a shard; None if the engine cannot open it. The child is killed if this is cancelled."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, str(folder), str(os.getpid()), stdout=-1, stderr=-3
    )
    try:
        output, _ = await child.communicate()
        return int(output) if child.returncode == 0 else None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def main() -> int:
    """Print the points, and return the exit status."""
    folder, parent_pid = Path(sys.argv[1]), int(sys.argv[2])
    if not die_with(parent_pid):
        return ORPHANED
    print(check(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
