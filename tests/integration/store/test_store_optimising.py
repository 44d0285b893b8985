"""The child process of an index build belongs to one store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from services.store.optimising import ORPHANED


def test_an_orphan_does_not_touch_the_folder(tmp_path: Path) -> None:
    """The store was killed while the child still started: its pid is not the child's parent any more."""
    not_my_parent = os.getppid()
    command = [sys.executable, "-m", "services.store.optimising", str(tmp_path), str(not_my_parent)]
    assert subprocess.run(command, check=False, timeout=60).returncode == ORPHANED
    assert list(tmp_path.iterdir()) == []
