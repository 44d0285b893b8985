"""Linear layers for a CPU: weights laid out once for its matrix instructions, or rounded to eight bits.

torch keeps weights row by row and lays them out anew in every call, which is most of the work of a small batch. On
one core of a Zen 5, 768 -> 3072 for 50 rows: bfloat16 2.0 ms, laid out 0.7; float32 3.7, laid out 1.3.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from services.common.settings import SettingsError

_LAYOUT_ROWS = 64
"""The layout is chosen for so many rows; it serves any number."""
_LEVELS = 127
_ZERO = 128


class PackedLinear(nn.Module):
    """A linear layer whose weights lie as oneDNN wants them.

    Args:
        linear: In the precision to compute in, on the CPU.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self._bias = linear.bias
        weight = linear.weight.detach()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, _LAYOUT_ROWS)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """[..., in] to [..., out]."""
        outputs: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            inputs, self._weight, self._bias, "none", [], ""
        )
        return outputs


class Int8Linear(nn.Module):
    """A linear layer in eight bits, each row of the input scaled by itself.

    One scale for a whole batch, as torch's own dynamic quantisation has it, would make a vector depend on the
    inputs beside it.

    Args:
        linear: In float32, on the CPU.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        self._scales = weight.abs().amax(1).clamp(min=1e-12) / _LEVELS
        levels = (weight / self._scales[:, None]).round().to(torch.int8)
        self._weight = torch.ops.onednn.qlinear_prepack(levels, None)
        self._zeros = torch.zeros(len(weight), dtype=torch.int64)
        self._bias = torch.zeros(len(weight)) if linear.bias is None else linear.bias.detach()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """float32 [..., in] to float32 [..., out]."""
        scale = inputs.abs().amax(-1, keepdim=True).clamp(min=1e-12) / _LEVELS
        # Unsigned with a zero in the middle: for signed inputs oneDNN has no fast kernel here. The half rounds.
        levels = (inputs / scale + (_ZERO + 0.5)).to(torch.uint8)
        product = torch.ops.onednn.qlinear_pointwise(
            levels,
            1.0,
            _ZERO,
            self._weight,
            self._scales,
            self._zeros,
            None,
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )
        return torch.addcmul(self._bias, product, scale)


def pack(module: nn.Module, dtype: torch.dtype) -> None:
    """Lay the weights of a model's blocks out, if this build of torch and this CPU can."""
    if _works(PackedLinear, dtype):
        _replace(module, PackedLinear, within_block=False)


def quantise(module: nn.Module) -> None:
    """Round the weights of a model's blocks to eight bits; projections and embeddings stay as they are.

    Raises:
        SettingsError: This build of torch or this CPU cannot compute with them.
    """
    if not _works(Int8Linear, torch.float32):
        raise SettingsError(
            "IMAGERAG_ENCODER_PRECISION is int8, which torch cannot compute on this processor: write auto"
        )
    _replace(module, Int8Linear, within_block=False)


def _works(kind: Callable[[nn.Linear], nn.Module], dtype: torch.dtype) -> bool:
    """Try it: which processors and builds have these operators is written nowhere."""
    linear = nn.Linear(64, 32).to(dtype)
    inputs = torch.linspace(-1, 1, 3 * 64).view(3, 64).to(dtype)
    try:
        with torch.inference_mode():
            found, expected = kind(linear)(inputs), functional.linear(inputs, linear.weight, linear.bias)
    except (RuntimeError, AttributeError, NotImplementedError):
        return False
    return bool(torch.allclose(found.float(), expected.float(), atol=0.05))


def _replace(module: nn.Module, kind: Callable[[nn.Linear], nn.Module], within_block: bool) -> None:
    for name, child in module.named_children():
        # The exact type: attention layers of torch itself read the weights of a subclass.
        if within_block and type(child) is nn.Linear:
            setattr(module, name, kind(child))
        else:
            _replace(child, kind, within_block or isinstance(module, nn.ModuleList))
