"""Reference vectors: the golden set through the model's own pipeline, before anything of ours touches it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image

from services.common.clients.encoder import TextRole
from services.common.domain import Vector
from services.encoder.backends.backend import unit
from services.encoder.backends.golden import References
from services.encoder.backends.golden_inputs import TEXTS, pictures, probes
from services.encoder.backends.towers import Pipeline, Towers


def references(towers: Towers, *, with_probes: bool) -> References:
    """Embed the golden set: float32, on the CPU, plain attention, one input at a time.

    Args:
        towers: As loaded; nothing has been converted.
        with_probes: Whether rankings are to be compared as well.
    """
    pipeline = towers.pipeline or _own_pipeline(towers)
    with torch.inference_mode(), _plain_attention(towers.module):

        def image(picture: Image.Image) -> torch.Tensor:
            return pipeline.image(towers.module, picture)

        def text(words: str) -> torch.Tensor:
            return pipeline.text(towers.module, words)

        return References(
            pictures=_rows(image, pictures().values()),
            texts={TextRole.QUERY: _rows(text, TEXTS.values())},
            probes=_rows(image, probes()) if with_probes else None,
        )


def _rows(embed: Callable[[Any], torch.Tensor], inputs: Iterable[Any]) -> Vector:
    rows: Vector = np.concatenate([embed(one).float().numpy() for one in inputs])
    return unit(rows)


def _own_pipeline(towers: Towers) -> Pipeline:
    """Where the authors have none: the same steps, but alone, in float32 and written out in NumPy."""
    mean, std = (
        np.array(values, np.float32)[:, None, None]
        for values in (towers.preprocessing.mean, towers.preprocessing.std)
    )

    def image(module: torch.nn.Module, picture: Image.Image) -> torch.Tensor:
        normal = (towers.preprocessing(picture) - mean) / std
        return towers.image_features(module, torch.from_numpy(normal[None]))

    def text(module: torch.nn.Module, words: str) -> torch.Tensor:
        return towers.text_features(module, *towers.batch([towers.tokenize(words)]))

    return Pipeline(image, text)


@contextmanager
def _plain_attention(module: Any) -> Iterator[None]:
    """Attention written out, with no fused kernel, for a while."""
    if not hasattr(module, "set_attn_implementation"):
        yield
        return
    module.set_attn_implementation("eager")
    try:
        yield
    finally:
        module.set_attn_implementation("sdpa")
