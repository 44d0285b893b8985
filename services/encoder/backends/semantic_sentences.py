"""Sentence-embedding models through transformers: BGE, E5, GTE and others, by hub id or from a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import nn
from transformers import AutoModel

from services.common.clients.encoder import TextRole
from services.common.domain import Vector
from services.encoder.backends.backend import TextSpaceDescription, unit
from services.encoder.backends.devices import Placement, memory_errors
from services.encoder.backends.execution import execution_on
from services.encoder.backends.families.checkpoint import Checkpoint, UnsupportedModelError, hash_weights
from services.encoder.backends.families.tokens import Tokenize, tokens_of
from services.encoder.backends.golden_inputs import TEXTS
from services.encoder.backends.semantic_layout import Layout, Pooling
from services.encoder.backends.torch_backend import convert

_ACTIVATIONS: Mapping[str, type[nn.Module]] = {"Identity": nn.Identity, "Tanh": nn.Tanh, "GELU": nn.GELU}
_UNBOUNDED_TOKENS = 8192
"""For models that name no limit at all."""
_POSITIONS_FROM_PADDING = frozenset({"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet"})
"""Their positions are counted from behind the padding token's, so that two are never used."""


@dataclass(frozen=True)
class SentenceModel:
    """A text encoder, ready to be placed on a device.

    Attributes:
        name: Hub id, or the name of the folder.
        module: float32, in evaluation mode, on the CPU: from ids and mask to vectors, not of unit length.
        weights: Hash of everything learned, hexadecimal.
        layout: See `Layout`.
        tokenize: From a text with its prefix to its tokens, cut to `max_tokens`; on any thread.
        pad_id: The token that fills.
        max_tokens: What the model takes.
        references: Vectors of `TEXTS`, one by one through the tokenizer of transformers, float32 [n, dim] by role.
    """

    name: str
    module: Pooled
    weights: str
    layout: Layout
    tokenize: Tokenize
    pad_id: int
    max_tokens: int
    references: Mapping[TextRole, Vector]


class Pooled(nn.Module):
    """A transformer, the pooling, and the linear layers after it.

    Args:
        transformer: Of transformers.
        pooling: See `Layout`.
        dense: Applied in order.
    """

    def __init__(self, transformer: nn.Module, pooling: Pooling, dense: Sequence[nn.Module]) -> None:
        super().__init__()
        self.transformer, self.dense, self._pooling = transformer, nn.ModuleList(dense), pooling

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """int64 [n, tokens] twice, padding on the right, to float32 [n, dim]."""
        output = self.transformer(input_ids=input_ids, attention_mask=attention_mask)
        rows = pool(output.last_hidden_state, attention_mask, self._pooling)
        for layer in self.dense:
            rows = layer(rows)
        return rows.float()


def pool(hidden: torch.Tensor, attention_mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """From the vectors of tokens to one a text.

    Args:
        hidden: [n, tokens, width]
        attention_mask: int64 [n, tokens], padding on the right.
        pooling: See `Layout`.

    Returns:
        [n, width]; the mean is taken in float32 and over tokens that are no padding.
    """
    if pooling == "cls":
        return hidden[:, 0]
    if pooling == "last":
        return hidden[torch.arange(len(hidden), device=hidden.device), attention_mask.sum(1) - 1]
    weights = attention_mask[..., None].float()
    return ((hidden.float() * weights).sum(1) / weights.sum(1).clamp(min=1)).to(hidden.dtype)


class SentenceBackend:
    """See `TextBackend`.

    Args:
        model: Its module is taken over: it is converted in place.
        placement: Where it is to run.
    """

    def __init__(self, model: SentenceModel, placement: Placement) -> None:
        convert(model.module, placement)
        self._model, self._execution = model, execution_on(placement.device)
        self._description = TextSpaceDescription(
            model=model.name,
            weights=model.weights,
            dim=model.references[TextRole.QUERY].shape[1],
            device=placement.device,
            precision=placement.precision,
            max_text_tokens=model.max_tokens,
            notice=f"{model.name} finds passages by what they say; at most {model.max_tokens:,} tokens.",
            recipe=recipe_of(model.layout, model.max_tokens),
        )

    @property
    def description(self) -> TextSpaceDescription:
        """What is loaded."""
        return self._description

    def with_noise_floor(self, floor: float) -> Self:
        """The same, telling the floor that was measured with it."""
        measured = copy(self)
        measured._description = replace(self._description, noise_floor=floor)
        return measured

    def prepare_text(self, text: str, role: TextRole) -> list[int]:
        """See `Backend.prepare_text`."""
        return self._model.tokenize(self._model.layout.prefixes[role] + text)

    def encode_texts(self, prepared: Sequence[list[int]], role: TextRole, threads: int) -> Vector:
        """See `Backend.encode_texts`."""
        longest = max(map(len, prepared))
        ids = np.full((len(prepared), longest), self._model.pad_id, np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(prepared):
            ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
        with memory_errors():
            return unit(self._execution.run(self._model.module, [list(ids), list(mask)], threads))


def recipe_of(layout: Layout, max_tokens: int) -> str:
    """Digest of everything but the weights that shapes a vector."""
    said = asdict(layout) | {
        "prefixes": {role.name: prefix for role, prefix in layout.prefixes.items()},
        "max_tokens": max_tokens,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]


def load_model(checkpoint: Checkpoint, layout: Layout) -> SentenceModel:
    """Load a model and embed the golden set with it.

    Raises:
        UnsupportedModelError: It cannot be used as its layout says.
    """
    transformer = _transformer(checkpoint)
    dense = [_dense(checkpoint, folder) for folder in layout.dense]
    module = Pooled(transformer, layout.pooling, dense).eval()
    tokenizer = checkpoint.tokenizer()
    pad_id = int(tokenizer.pad_token_id or 0)
    max_tokens = _max_tokens(layout, tokenizer, transformer.config)
    references = _references(module, checkpoint.tokenizer(), layout, max_tokens)
    # A head over the first token that these models are saved with or without; it shapes no vector.
    state = {name: weight for name, weight in module.state_dict().items() if ".pooler." not in name}
    return SentenceModel(
        name=checkpoint.title,
        module=module,
        weights=hash_weights(state),
        layout=layout,
        tokenize=_tokens(tokenizer, layout, max_tokens),
        pad_id=pad_id,
        max_tokens=max_tokens,
        references=references,
    )


def _tokens(tokenizer: Any, layout: Layout, max_tokens: int) -> Tokenize:
    tokenize = tokens_of(tokenizer, max_tokens)
    return (lambda text: tokenize(text.lower())) if layout.lower_case else tokenize


def _transformer(checkpoint: Checkpoint) -> Any:
    model, loading = AutoModel.from_pretrained(
        checkpoint.name, revision=checkpoint.revision, dtype=torch.float32, output_loading_info=True
    )
    missing = [name for name in loading["missing_keys"] if not name.startswith("pooler.")]
    if missing:
        raise UnsupportedModelError(f"its files hold no weights for {missing[0]}: fetch them again")
    if getattr(model.config, "is_encoder_decoder", False):
        raise UnsupportedModelError(f"it is a {model.config.model_type} model, an encoder with a decoder")
    return model


def _dense(checkpoint: Checkpoint, folder: str) -> nn.Module:
    config = checkpoint.contents(f"{folder}/config.json")
    activation = str(config.get("activation_function", "Identity")).rsplit(".", 1)[-1]
    path = checkpoint.file(f"{folder}/model.safetensors", f"{folder}/pytorch_model.bin")
    if activation not in _ACTIVATIONS or path is None:
        raise UnsupportedModelError(f"its layer {folder} has no weights, or the activation {activation}")
    linear = nn.Linear(config["in_features"], config["out_features"], bias=config.get("bias", True))
    state = _load_state(path)
    linear.load_state_dict({name.removeprefix("linear."): weight.float() for name, weight in state.items()})
    return nn.Sequential(linear, _ACTIVATIONS[activation]())


def _load_state(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return dict(load_file(path))
    return dict(torch.load(path, map_location="cpu", weights_only=True))


def _max_tokens(layout: Layout, tokenizer: Any, config: Any) -> int:
    positions = getattr(config, "max_position_embeddings", None) or _UNBOUNDED_TOKENS
    if config.model_type in _POSITIONS_FROM_PADDING:
        positions -= 2
    # Tokenizers without a limit name an astronomic number.
    return int(min(layout.max_tokens or positions, positions, tokenizer.model_max_length))


def _references(module: Pooled, tokenizer: Any, layout: Layout, max_tokens: int) -> dict[TextRole, Vector]:
    """One text at a time, without padding: nothing to mask, nothing to mix up."""

    def embed(text: str) -> Vector:
        tokens = tokenizer(text, truncation=True, max_length=max_tokens, return_tensors="pt")
        with torch.inference_mode():
            row: Vector = module(tokens["input_ids"], torch.ones_like(tokens["input_ids"]))[0].numpy()
        return row

    def spelled(text: str) -> str:
        return text.lower() if layout.lower_case else text

    return {
        role: unit(np.stack([embed(spelled(layout.prefixes[role] + text)) for text in TEXTS.values()]))
        for role in TextRole
    }
