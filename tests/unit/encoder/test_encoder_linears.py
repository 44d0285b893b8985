"""Linear layers with weights laid out, and with weights of eight bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from services.common.settings import SettingsError
from services.encoder.backends.linears import Int8Linear, PackedLinear, pack, quantise


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(32, 32)
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)


class Tower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Block(), Block()])
        self.projection = nn.Linear(32, 8, bias=False)


@pytest.fixture
def tower() -> Tower:
    torch.manual_seed(0)
    return Tower().eval()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 70), st.booleans(), st.sampled_from([torch.float32, torch.bfloat16]))
def test_a_packed_layer_computes_the_same(rows: int, bias: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(rows)
    linear = nn.Linear(48, 33, bias=bias).to(dtype)
    inputs = torch.randn(2, rows, 48).to(dtype)
    with torch.inference_mode():
        found, expected = PackedLinear(linear)(inputs), linear(inputs)
    assert found.dtype == dtype
    assert torch.allclose(found.float(), expected.float(), atol=1e-5 if dtype == torch.float32 else 0.03)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 70), st.booleans())
def test_eight_bits_come_close(rows: int, bias: bool) -> None:
    torch.manual_seed(rows)
    linear = nn.Linear(256, 65, bias=bias)
    inputs = torch.randn(2, rows, 256)
    with torch.inference_mode():
        found, expected = Int8Linear(linear)(inputs), linear(inputs)
    assert (found - expected).norm() < 0.02 * expected.norm()


def test_a_row_of_eight_bits_does_not_depend_on_the_others() -> None:
    torch.manual_seed(0)
    layer, inputs = Int8Linear(nn.Linear(64, 32)), torch.randn(5, 64)
    loud = torch.cat([inputs, 1000 * torch.randn(3, 64)])
    with torch.inference_mode():
        assert torch.equal(layer(inputs), layer(loud)[:5])


def test_eight_bits_keep_zero_and_what_is_no_number() -> None:
    layer = Int8Linear(nn.Linear(64, 32))
    with torch.inference_mode():
        assert torch.allclose(layer(torch.zeros(1, 64)), layer._bias)
        assert torch.isnan(layer(torch.full((1, 64), torch.nan))).all()


def test_blocks_alone_are_replaced(tower: Tower) -> None:
    inputs = torch.randn(1, 3, 32)
    with torch.inference_mode():
        attention: Any = tower.layers[0].attention
        expected = attention(inputs, inputs, inputs)[0]
        pack(tower, torch.float32)
        found = attention(inputs, inputs, inputs)[0]
    assert torch.allclose(found, expected, atol=1e-6)
    assert all(isinstance(block.inner, PackedLinear) for block in tower.layers)
    assert type(tower.projection) is nn.Linear


def test_weights_of_eight_bits_are_kept_once(tower: Tower) -> None:
    quantise(tower)
    assert all(isinstance(block.inner, Int8Linear) for block in tower.layers)
    assert "layers.0.inner.weight" not in tower.state_dict()


def test_a_processor_that_cannot_is_served_with_plain_layers(
    tower: Tower, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise RuntimeError("this processor cannot")

    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_linear_weight", refuse)
    pack(tower, torch.float32)
    assert type(tower.layers[0].inner) is nn.Linear
    monkeypatch.setattr(torch.ops.onednn, "qlinear_prepack", refuse)
    with pytest.raises(SettingsError, match="IMAGERAG_ENCODER_PRECISION"):
        quantise(tower)


def test_a_processor_that_computes_wrongly_is_not_believed(tower: Tower, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(inputs: torch.Tensor, weight: torch.Tensor, *rest: object) -> torch.Tensor:
        return torch.zeros(len(inputs), 32)

    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", wrong)
    pack(tower, torch.float32)
    assert type(tower.layers[0].inner) is nn.Linear
    assert np.isfinite(tower.projection.weight.detach().numpy()).all()
