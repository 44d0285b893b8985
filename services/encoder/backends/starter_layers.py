"""EfficientNet-Lite0 as a list of convolutions, and its weights with each normalisation folded in.

Tan and Le, 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"; the Lite variant has
ReLU6 for swish and no squeeze-and-excitation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from services.common.domain import Vector
from services.encoder.backends.starter_weights import Arrays

FEATURES = 1280
CLASSES = 1000
_NORM_EPSILON = 1e-3


class Convolution(NamedTuple):
    """One convolution and the normalisation after it.

    Attributes:
        name: Of its weights in the classifier's file.
        norm: Of its normalisation's weights there.
        inward: Channels that go in.
        outward: Channels that come out.
        kernel: Side of the kernel.
        stride: In both directions.
        depthwise: Each channel is filtered by itself.
        activated: ReLU6 follows.
    """

    name: str
    norm: str
    inward: int
    outward: int
    kernel: int = 1
    stride: int = 1
    depthwise: bool = False
    activated: bool = True

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the kernels."""
        return self.outward, 1 if self.depthwise else self.inward, self.kernel, self.kernel


class Block(NamedTuple):
    """Convolutions in their order; `adds`: the input of the first is added to the output of the last."""

    convolutions: tuple[Convolution, ...]
    adds: bool = False


class _Stage(NamedTuple):
    """A row of the paper's table 1."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    inward: int
    outward: int


_STAGES = (
    _Stage(1, 3, 1, 1, 32, 16),
    _Stage(2, 3, 2, 6, 16, 24),
    _Stage(2, 5, 2, 6, 24, 40),
    _Stage(3, 3, 2, 6, 40, 80),
    _Stage(3, 5, 1, 6, 80, 112),
    _Stage(4, 5, 2, 6, 112, 192),
    _Stage(1, 3, 1, 6, 192, 320),
)


def blocks() -> Iterator[Block]:
    """The whole network up to the features."""
    yield Block((Convolution("_conv_stem", "_bn0", 3, 32, kernel=3, stride=2),))
    index = 0
    for stage in _STAGES:
        for repeat in range(stage.repeats):
            inward, stride = (stage.inward, stage.stride) if repeat == 0 else (stage.outward, 1)
            parts = tuple(_bottleneck(f"_blocks.{index}.", stage, inward, stride))
            yield Block(parts, adds=stride == 1 and inward == stage.outward)
            index += 1
    yield Block((Convolution("_conv_head", "_bn1", _STAGES[-1].outward, FEATURES),))


def _bottleneck(prefix: str, stage: _Stage, inward: int, stride: int) -> Iterator[Convolution]:
    """Widen, filter each channel, narrow."""
    wide = inward * stage.expansion
    if stage.expansion > 1:
        yield Convolution(prefix + "_expand_conv", prefix + "_bn0", inward, wide)
    yield Convolution(
        prefix + "_depthwise_conv", prefix + "_bn1", wide, wide, stage.kernel, stride, depthwise=True
    )
    yield Convolution(prefix + "_project_conv", prefix + "_bn2", wide, stage.outward, activated=False)


def fold(weights: Arrays) -> dict[str, Vector]:
    """What the graph takes for weights.

    Args:
        weights: The classifier's, as its file has them.

    Returns:
        For each convolution, and for the classifying layer "_fc", a ".weight" and a ".bias", float32.
    """
    folded: dict[str, npt.NDArray[Any]] = {}
    for name, norm, *_ in (convolution for block in blocks() for convolution in block.convolutions):
        scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + _NORM_EPSILON)
        folded[f"{name}.weight"] = weights[f"{name}.weight"] * scale[:, None, None, None]
        folded[f"{name}.bias"] = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    folded.update({name: weights[name] for name in ("_fc.weight", "_fc.bias")})
    return {name: np.ascontiguousarray(array, np.float32) for name, array in folded.items()}
