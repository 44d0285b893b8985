"""What a person should know of each family."""

from __future__ import annotations

from services.encoder.backends.backend import ModelCard


def _card(understands: str) -> ModelCard:
    return ModelCard(
        f"{understands} Its text vectors are weak from text to text. The noise floors of this model have not been "
        "measured, so every hit has a vote."
    )


CLIP = _card(
    "CLIP understands English only, at most 77 tokens; it is weak in counting and in who does what to whom."
)
OPEN_CLIP = _card("A CLIP trained with open_clip: English as a rule, at most 77 tokens; it is weak in counting.")
SIGLIP = _card(
    "SigLIP understands English (its i18n and multilingual checkpoints other languages too), at most 64 tokens, "
    "and sees neither case nor punctuation."
)
SIGLIP2 = _card(
    "SigLIP 2 understands about a hundred languages, Chinese among them, at most 64 tokens, and does not see case."
)
CHINESE_CLIP = _card(
    "Chinese-CLIP understands Chinese and little English, at most 52 tokens, which are about 50 characters."
)
