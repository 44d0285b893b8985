"""The processes of a cluster: the processor time of each part, and the memory of the workers. Linux only."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_UTIME = 11
"""Place of the first of four times behind a process's name: user and system, its own and its ended children's."""
_WORKER = "worker"


def tree(root: int) -> Iterator[int]:
    """A process and everything that it started and that still lives."""
    yield root
    for task in Path(f"/proc/{root}/task").glob("*/children"):
        for child in _read(task).split():
            yield from tree(int(child))


def cpu_s_by_part(root: int) -> dict[str, float]:
    """Processor seconds so far of every part of the cluster that `imagerag up` runs with process id `root`.

    Those of processes that ended are counted with the process that started them.
    """
    found: defaultdict[str, float] = defaultdict(float)
    for pid in tree(root):
        found[_part(pid)] += _cpu_s(pid)
    return dict(found)


def used(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What each part used between two looks."""
    return {part: seconds - before.get(part, 0.0) for part, seconds in after.items()}


def pool(root: int) -> list[int]:
    """The processes that work on messages."""
    workers = [pid for pid in tree(root) if _part(pid) == _WORKER]
    below = {child for parent in workers for child in tree(parent) if child != parent}
    return sorted(below.intersection(workers))


def resident_bytes(pid: int) -> int:
    """Memory that a process holds; 0 if it has ended."""
    for line in _read(Path(f"/proc/{pid}/status")).splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def _cpu_s(pid: int) -> float:
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return sum(map(int, fields[_UTIME : _UTIME + 4])) / _TICKS_PER_S if fields else 0.0


def _part(pid: int) -> str:
    words = _read(Path(f"/proc/{pid}/cmdline")).split("\0")
    if "-m" not in words[:-1]:
        return Path(words[0]).name
    module, following = words[words.index("-m") + 1 :][:2]
    if module == "workers":
        return "beat" if following == "beat" else _WORKER
    return module.rpartition(".")[2]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
