"""What this machine has, and what that means for the goals."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Machine:
    """As seen from this process.

    Attributes:
        cpu: Name of the processor.
        cpus: Cores that this process may use.
        amx: It multiplies matrices of bfloat16.
        avx512_bf16: It multiplies vectors of bfloat16.
        gpu: Name of the CUDA device; empty without one.
    """

    cpu: str
    cpus: int
    amx: bool
    avx512_bf16: bool
    gpu: str

    @property
    def precisions(self) -> tuple[str, ...]:
        """Those worth measuring on the CPU, the quickest first."""
        return ("bfloat16", "float32") if self.amx or self.avx512_bf16 else ("float32",)

    @property
    def without_amx(self) -> str:
        """Why a goal for AMX does not apply here; empty where it does."""
        if self.amx:
            return ""
        return "no AMX here, AVX512-BF16" if self.avx512_bf16 else "no AMX here"


def this_machine() -> Machine:
    """Look."""
    on_x86 = platform.machine().lower() in ("x86_64", "amd64")
    affinity = hasattr(os, "sched_getaffinity")
    return Machine(
        cpu=_cpu_name(),
        cpus=len(os.sched_getaffinity(0)) if affinity else os.cpu_count() or 1,
        amx=on_x86 and torch.cpu._is_amx_tile_supported(),
        avx512_bf16=on_x86 and torch.cpu._is_avx512_bf16_supported(),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else "",
    )


class Others:
    """How busy everybody else kept the cores since this was made: on a busy machine figures mean little."""

    def __init__(self) -> None:
        self._began_s, self._busy_s, self._own_s = time.monotonic(), _busy_s(), _own_s()

    def share(self) -> float | None:
        """Of all cores, 0 to 1; None where the system does not tell. Children must have ended."""
        if self._busy_s is None or (busy_s := _busy_s()) is None:
            return None
        available_s = (time.monotonic() - self._began_s) * (os.cpu_count() or 1)
        return max(0.0, (busy_s - self._busy_s) - (_own_s() - self._own_s)) / available_s


def _busy_s() -> float | None:
    """Of all processors: user, nice, system, interrupts."""
    try:
        first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    except OSError:
        return None
    fields = [int(field) for field in first.split()[1:]]
    return (sum(fields[:3]) + fields[5] + fields[6]) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
