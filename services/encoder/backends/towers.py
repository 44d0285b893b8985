"""An image tower and a text tower in one space: what every family of joint models comes down to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from PIL import Image

from services.common.media.preprocessing import Preprocessing
from services.encoder.backends.backend import ModelCard

NEWEST = "main"

ImageFeatures = Callable[[torch.nn.Module, torch.Tensor], torch.Tensor]
TextFeatures = Callable[[torch.nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]


class TokenBatch(NamedTuple):
    """Texts as the text tower takes them.

    Attributes:
        input_ids: int64, shape [n, tokens], on the CPU.
        attention_mask: int64, of the same shape: 1 for a token, 0 for padding.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor


@dataclass(frozen=True)
class Pipeline:
    """How a model's authors embed one input: the yardstick of the golden gate, made of none of our own code.

    Attributes:
        image: From `Towers.module` (float32, eager attention, on the CPU) and an RGB picture of any size, through
            the model's own image processor, to a vector [1, dim], not of unit length.
        text: From the module and a text, through the model's own tokenizer, to a vector [1, dim].
    """

    image: Callable[[torch.nn.Module, Image.Image], torch.Tensor]
    text: Callable[[torch.nn.Module, str], torch.Tensor]


@dataclass(frozen=True)
class Towers:
    """A joint model, ready to be placed on a device.

    Attributes:
        name: Hub id, or the name of the folder.
        module: float32, in evaluation mode, on the CPU.
        weights: Hash of everything learned, hexadecimal.
        preprocessing: How pictures become model input.
        dim: Length of every vector.
        card: Notice and noise floors.
        max_text_tokens: What the text tower takes; the rest is cut.
        tokenize: From a text to its tokens, special ones included and cut to `max_text_tokens`; on any thread.
        pad_id: The token that fills.
        pads_to: Length that every text is filled up to; None: that of the longest of its batch.
        image_features: From `module` (in any precision, on any device) and normalised pictures
            [n, 3, side_px, side_px] on its device in its precision to vectors [n, dim], not of unit length.
            Several resolutions are its own business.
        text_features: From `module` and a `TokenBatch` on its device to vectors [n, dim], not of unit length.
        pipeline: See `Pipeline`; None: there is no other than this one, so the gate compares it with itself, one
            input at a time in float32 (multi-scale features).
    """

    name: str
    module: torch.nn.Module
    weights: str
    preprocessing: Preprocessing
    dim: int
    card: ModelCard
    max_text_tokens: int
    tokenize: Callable[[str], list[int]]
    pad_id: int
    pads_to: int | None
    image_features: ImageFeatures
    text_features: TextFeatures
    pipeline: Pipeline | None = None

    def batch(self, texts: Sequence[Sequence[int]]) -> TokenBatch:
        """Fill tokenized texts up to one length.

        Args:
            texts: By `tokenize`, not empty.
        """
        length = self.pads_to or max(map(len, texts))
        ids = torch.full((len(texts), length), self.pad_id, dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, tokens in enumerate(texts):
            ids[row, : len(tokens)] = torch.tensor(tokens, dtype=torch.int64)
            mask[row, : len(tokens)] = 1
        return TokenBatch(ids, mask)


def load_towers(name: str, revision: str = NEWEST, scales: Sequence[int] = ()) -> Towers:
    """Load a joint model; the family is known by its configuration.

    Args:
        name: Hub id or folder.
        revision: Commit or branch of the hub.
        scales: Sides in pixels at which pictures are seen, for multi-scale features; empty: the model's own.

    Raises:
        SettingsError: There is no such model, it is of no supported family, or it cannot take these scales.
    """
    # Late: the families make towers.
    from services.encoder.backends.families.registry import load

    return load(name, revision, scales)
