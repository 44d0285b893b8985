"""Where a model runs, in which precision, on how many threads, and how many batches at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

from services.common.settings import SettingsError
from services.encoder.backends.backend import DeviceMemoryError

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16", "int8"]

_CUDA_STREAMS = 2
"""One batch is copied while the other is computed."""
_BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")


@dataclass(frozen=True)
class Placement:
    """The answers to "auto".

    Attributes:
        device: "cpu" or "cuda".
        precision: "float32", "bfloat16" or "int8".
        threads: For the computation on the CPU.
        streams: Batches that may be computed at once.
    """

    device: str
    precision: str
    threads: int
    streams: int = 1


def place(device: Device, precision: Precision, threads: int, streams: int = 0) -> Placement:
    """Decide where to run and set the process's thread count.

    Args:
        device: "auto" takes CUDA if there is a device.
        precision: "auto" takes bfloat16 where the hardware multiplies it: on CUDA, and on CPUs with AMX or
            AVX512-BF16 (ViT-B/32 there: 112 and 65 img/s against 29 and 18 in float32).
        threads: For the computation on the CPU.
        streams: 0 takes one a thread on a CPU (two forwards of one thread each are as fast as one of two, and
            wait at no barrier for a thread that decodes), two on CUDA.

    Raises:
        SettingsError: CUDA is asked for and absent, or a precision that the device does not have.
    """
    torch.set_num_threads(threads)
    chosen = _device(device)
    return Placement(chosen, _precision(precision, chosen), threads, streams or _streams(chosen, threads))


def _device(device: Device) -> str:
    present = torch.cuda.is_available()
    if device == "cuda" and not present:
        raise SettingsError(
            "IMAGERAG_ENCODER_DEVICE is cuda, but torch finds no CUDA device here: write cpu or auto"
        )
    if device == "auto":
        return "cuda" if present else "cpu"
    return device


def _precision(precision: Precision, device: str) -> str:
    if precision == "int8" and device != "cpu":
        raise SettingsError(
            f"IMAGERAG_ENCODER_PRECISION is int8, which is for CPUs, but the model runs on {device}: write "
            "auto, or set IMAGERAG_ENCODER_DEVICE to cpu"
        )
    if precision == "auto":
        return "bfloat16" if device == "cuda" or cpu_multiplies_bfloat16() else "float32"
    return precision


def _streams(device: str, threads: int) -> int:
    return threads if device == "cpu" else _CUDA_STREAMS


def cpu_multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for it; without them bfloat16 is slower than float32.

    False on processors that are no x86: what they have goes by other names, and was not measured.
    """
    capabilities = torch.cpu.get_capabilities()
    return any(bool(capabilities.get(flag, False)) for flag in _BFLOAT16_FLAGS)


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn torch's out-of-memory errors, of either device, into `DeviceMemoryError`."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        # What lies cached in the pieces of this batch may be just what the halves of it need.
        torch.cuda.empty_cache()
        raise DeviceMemoryError from error
    except MemoryError as error:
        raise DeviceMemoryError from error
    except RuntimeError as error:
        # torch's allocator for the CPU raises nothing more special, in other words on each system.
        if "DefaultCPUAllocator" in str(error):
            raise DeviceMemoryError from error
        raise
