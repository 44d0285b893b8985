"""Where a model runs: what "auto" takes, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from services.common.settings import SettingsError
from services.encoder.backends.backend import DeviceMemoryError
from services.encoder.backends.devices import Placement, cpu_multiplies_bfloat16, memory_errors, place


def has(monkeypatch: pytest.MonkeyPatch, cuda: bool, **capabilities: Any) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)


@pytest.fixture(autouse=True)
def _same_threads_afterwards() -> Any:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({"architecture": "x86_64", "avx512_bf16": True, "amx_bf16": False}, "bfloat16"),
        ({"architecture": "x86_64", "avx512_bf16": True, "amx_bf16": True}, "bfloat16"),
        ({"architecture": "x86_64", "avx512_bf16": False, "avx512_f": True}, "float32"),
        ({"architecture": "aarch64", "neon": True}, "float32"),
        ({}, "float32"),
    ],
)
def test_auto_takes_the_precision_that_the_processor_multiplies(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, Any], precision: str
) -> None:
    has(monkeypatch, cuda=False, **capabilities)
    assert place("auto", "auto", 2) == Placement("cpu", precision, 2, 2)
    assert torch.get_num_threads() == 2


def test_auto_takes_cuda_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, cuda=True)
    assert place("auto", "auto", 1) == Placement("cuda", "bfloat16", 1, 2)
    assert place("cpu", "auto", 1) == Placement("cpu", "float32", 1, 1)
    assert place("cuda", "float32", 1, 4) == Placement("cuda", "float32", 1, 4)


def test_what_is_said_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, cuda=False, avx512_bf16=True)
    assert place("cpu", "int8", 2, 1) == Placement("cpu", "int8", 2, 1)
    assert place("cpu", "float32", 1).precision == "float32"


def test_what_the_device_cannot_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, cuda=False)
    with pytest.raises(SettingsError, match="IMAGERAG_ENCODER_DEVICE"):
        place("cuda", "auto", 1)
    has(monkeypatch, cuda=True)
    with pytest.raises(SettingsError, match="IMAGERAG_ENCODER_PRECISION"):
        place("auto", "int8", 1)


def test_this_processor_has_an_answer() -> None:
    assert cpu_multiplies_bfloat16() in (True, False)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
        MemoryError("Unable to allocate 9 bytes"),
    ],
)
def test_no_memory_has_one_name_on_every_device(error: Exception) -> None:
    with pytest.raises(DeviceMemoryError), memory_errors():
        raise error


def test_the_cpu_says_so_when_it_has_no_memory() -> None:
    with pytest.raises(DeviceMemoryError), memory_errors():
        torch.empty(1 << 60, dtype=torch.uint8)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory_errors():
        raise RuntimeError("shapes do not fit")
