"""Reference vectors: the golden set through the model's own pipeline, before anything of ours touches it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
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


def references(towers: Towers, *, with_probes: bool, threads: int = 1) -> References:
    """Embed the golden set: float32, on the CPU, plain attention, one input at a time.

    Args:
        towers: As loaded; nothing has been converted.
        with_probes: Whether rankings are to be compared as well.
        threads: Inputs embedded at once, each on one thread: they wait for one another at no barrier.
    """
    pipeline = towers.pipeline or _own_pipeline(towers)
    odd = list(pictures().values())
    shown = [*odd, *probes()] if with_probes else odd
    with _plain_attention(towers.module), ThreadPoolExecutor(threads, initializer=_one_thread) as executor:
        # The texts on one thread: tokenizers of transformers are not to be shared.
        texts = executor.submit(_rows, partial(pipeline.text, towers.module), list(TEXTS.values()))
        rows = [executor.submit(_rows, partial(pipeline.image, towers.module), [picture]) for picture in shown]
        found = np.concatenate([row.result() for row in rows])
        return References(
            pictures=found[: len(odd)],
            texts={TextRole.QUERY: texts.result()},
            probes=found[len(odd) :] if with_probes else None,
        )


def _one_thread() -> None:
    torch.set_num_threads(1)


def _rows(embed: Callable[[Any], torch.Tensor], inputs: Sequence[Any]) -> Vector:
    with torch.inference_mode():
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
