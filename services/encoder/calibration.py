"""Noise floors: how high unrelated pairs score, by direction.

`python -m services.encoder.calibration FOLDER` prints those of the configured model on the pictures of a folder;
pictures in different folders below it count as unrelated.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.common.clients.encoder import TextRole
from services.common.domain import Direction, Vector
from services.common.errors import ImageragError
from services.common.media.images import decode_rgb
from services.common.settings import load_settings
from services.encoder.backends.backend import Backend, embed_texts
from services.encoder.backends.registry import load_backend
from services.encoder.background_texts import ABSTRACT, THINGS
from services.encoder.settings import EncoderSettings

QUANTILE = 0.99
"""Of unrelated pairs. A collection is many pairs: at 0.95 half of the background queries find something among two
dozen pictures, at 0.99 one in five does, and 97 % of the true hits still pass (the starter on 538 pictures)."""
_BATCH_ITEMS = 16


@dataclass(frozen=True)
class Texts:
    """Texts in both roles.

    Attributes:
        queries: Unit rows, float32 [m, dim].
        passages: Unit rows, float32 [m, dim].
    """

    queries: Vector
    passages: Vector


def floors(pictures: Vector, groups: Sequence[str], abstract: Texts, things: Texts) -> dict[Direction, float]:
    """Measure the floors of a model.

    Args:
        pictures: Of things; unit rows, float32 [n, dim].
        groups: Of each picture; pictures of two groups are unrelated.
        abstract: Texts that have nothing to do with any picture or thing.
        things: Texts about things.

    Returns:
        The `QUANTILE` of the scores of unrelated pairs, by direction.
    """
    labels = np.asarray(groups)
    asked_of_things = abstract.queries @ things.passages.T
    asked_of_abstract = things.queries @ abstract.passages.T
    unrelated = {
        Direction.TEXT_TO_IMAGE: (abstract.queries @ pictures.T).ravel(),
        Direction.IMAGE_TO_IMAGE: (pictures @ pictures.T)[labels[:, None] != labels[None, :]],
        Direction.TEXT_TO_TEXT: np.concatenate([asked_of_things.ravel(), asked_of_abstract.ravel()]),
        Direction.IMAGE_TO_TEXT: (pictures @ abstract.passages.T).ravel(),
    }
    return {
        direction: round(float(np.quantile(scores, QUANTILE)), 4)
        for direction, scores in unrelated.items()
        if scores.size
    }


def measure(backend: Backend, folder: Path) -> dict[Direction, float]:
    """Embed the pictures below `folder` and the background texts, and measure the floors."""
    prepare = backend.description.preprocessing
    rows, groups = [], []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            pixels = prepare(decode_rgb(path.read_bytes(), at_least_px=prepare.decode_px))
        except ImageragError:
            continue
        rows.append(backend.encode_images([pixels], 1)[0])
        groups.append(path.relative_to(folder).parts[0])
    return floors(np.stack(rows), groups, _in_both_roles(backend, ABSTRACT), _in_both_roles(backend, THINGS))


def _in_both_roles(backend: Backend, texts: Sequence[str]) -> Texts:
    return Texts(_encode(backend, texts, TextRole.QUERY), _encode(backend, texts, TextRole.PASSAGE))


def _encode(backend: Backend, texts: Sequence[str], role: TextRole) -> Vector:
    starts = range(0, len(texts), _BATCH_ITEMS)
    return np.concatenate([embed_texts(backend, texts[start : start + _BATCH_ITEMS], role) for start in starts])


def main() -> None:
    """Print the floors as JSON."""
    parser = argparse.ArgumentParser(description="Measure the noise floors of the configured model.")
    parser.add_argument("folder", type=Path, help="pictures, in folders that have nothing to do with one another")
    arguments = parser.parse_args()
    print(json.dumps(measure(load_backend(load_settings(EncoderSettings)), arguments.folder), indent=2))


if __name__ == "__main__":
    main()
