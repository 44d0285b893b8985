"""From open_clip's names and shapes of weights to those of transformers' CLIP. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import torch

from services.encoder.backends.families.checkpoint import UnsupportedModelError

_Weights = Mapping[str, torch.Tensor]
_TOWERS = {"visual.transformer": "vision_model", "transformer": "text_model"}
_BLOCK = re.compile(r"(visual\.transformer|transformer)\.resblocks\.(\d+)\.(.+)")
_IN_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}
_OUTSIDE = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    # The name is misspelt in transformers.
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "logit_scale": "logit_scale",
}
# Vectors are multiplied from the left there, from the right here.
_TRANSPOSED = {"visual.proj": "visual_projection.weight", "text_projection": "text_projection.weight"}
_IGNORED = frozenset({"attn_mask"})


def clip_weights(open_clip: _Weights) -> dict[str, torch.Tensor]:
    """The same weights as a `CLIPModel` calls them.

    Args:
        open_clip: The state dictionary of a plain vision transformer, of any floating-point type.

    Returns:
        In float32.

    Raises:
        UnsupportedModelError: A weight has no place in a `CLIPModel`.
    """
    return {
        name: weight.to(torch.float32).contiguous()
        for source, tensor in open_clip.items()
        for name, weight in _renamed(_plain(source), tensor)
    }


def _plain(name: str) -> str:
    """Without the prefixes of distributed training and of a text tower of its own."""
    return name.removeprefix("module.").removeprefix("text.")


def _renamed(name: str, tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    if name in _IGNORED:
        return
    if name in _OUTSIDE:
        yield _OUTSIDE[name], tensor
    elif name in _TRANSPOSED:
        yield _TRANSPOSED[name], tensor.T
    elif block := _BLOCK.fullmatch(name):
        prefix = f"{_TOWERS[block[1]]}.encoder.layers.{block[2]}"
        yield from _in_block(prefix, block[3], tensor)
    else:
        raise UnsupportedModelError(f"its weight {name} has no place in a plain CLIP")


def _in_block(prefix: str, name: str, tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    module, _, kind = name.rpartition(".")
    if name.startswith("attn.in_proj_"):
        # Query, key and value in one.
        for part, rows in zip(("q", "k", "v"), tensor.chunk(3), strict=True):
            yield f"{prefix}.self_attn.{part}_proj.{name.removeprefix('attn.in_proj_')}", rows
    elif module in _IN_BLOCK:
        yield f"{prefix}.{_IN_BLOCK[module]}.{kind}", tensor
    else:
        raise UnsupportedModelError(f"its weight {name} in a block has no place in a plain CLIP")
