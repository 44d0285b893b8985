"""The golden gate of a text encoder: it is served only if it gives the vectors of its reference.

See `golden`; here the odd texts alone are embedded, passages in one batch, queries in small ones in another order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from services.common.clients.encoder import TextRole
from services.common.domain import Vector
from services.common.settings import SettingsError
from services.encoder.backends.backend import PRECISION_CLASSES, TextBackend, embed_texts
from services.encoder.backends.golden import LOWEST_COSINES
from services.encoder.backends.golden_inputs import TEXTS

References = Mapping[TextRole, Vector]
"""Unit rows of `TEXTS` by role, float32 [n, dim]."""
_SMALL_ITEMS = 3


def check(backend: TextBackend, references: References, threads: int = 1) -> float:
    """Let a text encoder pass, or say by how much it fails.

    Returns:
        The lowest cosine.

    Raises:
        SettingsError: A vector is too far from its reference.
    """
    served = backend.description
    needed = LOWEST_COSINES[PRECISION_CLASSES[served.precision]]
    lowest, worst = min(_cosines(backend, references, threads))
    if lowest >= needed:
        return lowest
    raise SettingsError(
        f"The text encoder {served.model!r} is not served, for in {served.precision} on {served.device} it does "
        f"not give the vectors of its reference: the cosine of {worst} is {lowest:.4f}, and {needed} is needed. "
        "Set IMAGERAG_ENCODER_PRECISION to float32, or IMAGERAG_ENCODER_SEMANTIC_MODEL to another model."
    )


def _cosines(backend: TextBackend, references: References, threads: int) -> list[tuple[float, str]]:
    names, texts = list(TEXTS), list(TEXTS.values())
    found: list[tuple[float, str]] = []
    for role, expected in references.items():
        for order in _batches(role, len(texts)):
            rows = embed_texts(backend, [texts[place] for place in order], role, threads)
            cosines = np.nan_to_num((rows * expected[list(order)]).sum(1), nan=-1.0)
            found += [
                (float(cosine), f"the {role.name.lower()} {names[place]!r}")
                for cosine, place in zip(cosines, order, strict=True)
            ]
    return found


def _batches(role: TextRole, items: int) -> list[Sequence[int]]:
    if role is TextRole.PASSAGE:
        return [range(items)]
    back = range(items - 1, -1, -1)
    return [back[start : start + _SMALL_ITEMS] for start in range(0, items, _SMALL_ITEMS)]
