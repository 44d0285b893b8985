"""The starter's vectors of the golden set, which ship with it, and which of them a start is held against.

`python -m services.encoder.backends.starter_golden` makes them anew beside this module: in torch, in float32, one
input at a time, with the classifier as its package defines it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from services.common.clients.encoder import TextRole
from services.common.domain import Vector
from services.common.media.preprocessing import STARTER
from services.encoder.backends.backend import embed_texts, unit
from services.encoder.backends.golden import References
from services.encoder.backends.golden_inputs import SET_VERSION, TEXTS, pictures
from services.encoder.backends.starter import StarterBackend

PATH = Path(__file__).with_name("starter_golden.npz")


def build(backend: StarterBackend) -> References:
    """Embed the golden set with the reference."""
    return References(
        pictures=np.concatenate([backend.encode_images([STARTER(one)], 1) for one in pictures().values()]),
        texts={
            role: np.concatenate([embed_texts(backend, [text], role) for text in TEXTS.values()])
            for role in TextRole
        },
    )


def gate() -> References:
    """What a start waits for: pictures and passages.

    Queries go through the same engine twice, for the words and for a photo of them: they would triple the time
    that a start spends on texts.
    """
    stored = load()
    return References(stored.pictures, {TextRole.PASSAGE: stored.texts[TextRole.PASSAGE]})


def load(path: Path = PATH) -> References:
    """Read all vectors that ship with the package.

    Raises:
        ValueError: They are those of an earlier golden set.
    """
    with np.load(path, allow_pickle=False) as stored:
        if stored["set_version"] != SET_VERSION:
            raise ValueError(f"{path.name} is of golden set {stored['set_version']}, not {SET_VERSION}")
        texts = {role: _widened(stored[role.name.lower()]) for role in TextRole}
        return References(_widened(stored["pictures"]), texts)


def save(references: References, path: Path = PATH) -> None:
    """Write vectors as float16, which moves no cosine by more than 0.0001."""
    np.savez_compressed(
        path,
        set_version=SET_VERSION,
        pictures=references.pictures.astype(np.float16),
        query=references.texts[TextRole.QUERY].astype(np.float16),
        passage=references.texts[TextRole.PASSAGE].astype(np.float16),
    )


def _widened(rows: Vector) -> Vector:
    return unit(rows.astype(np.float32))


if __name__ == "__main__":
    from services.encoder.backends.starter_torch import TorchClassifier

    save(build(StarterBackend(TorchClassifier("cpu"), streams=1)))
