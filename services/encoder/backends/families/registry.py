"""Which family a model is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transformers.utils.logging import disable_progress_bar

from services.common.settings import SettingsError
from services.encoder.backends.families import chinese_clip, clip, open_clip, siglip
from services.encoder.backends.families.checkpoint import Checkpoint, UnsupportedModelError
from services.encoder.backends.towers import Towers

FAMILIES: Mapping[str, Callable[[Checkpoint, Sequence[int]], Towers]] = {
    "clip": clip.load,
    "siglip": siglip.load,
    "chinese_clip": chinese_clip.load,
}
"""By `model_type` of config.json."""
_ADVICE = (
    "write the hub id or the folder of a CLIP (openai/clip-vit-base-patch32), SigLIP "
    "(google/siglip-base-patch16-224), SigLIP 2 (google/siglip2-base-patch16-224), Chinese-CLIP "
    "(OFA-Sys/chinese-clip-vit-base-patch16) or open_clip model, or starter"
)


def load(name: str, revision: str, scales: Sequence[int]) -> Towers:
    """See `load_towers`."""
    # Bars on standard error would stand between the lines of the log.
    disable_progress_bar()  # type: ignore[no-untyped-call]
    named = f"IMAGERAG_ENCODER_MODEL={name!r}"
    checkpoint = Checkpoint(name, revision)
    try:
        return _family(checkpoint)(checkpoint, scales)
    except ModuleNotFoundError:
        raise
    except UnsupportedModelError as error:
        raise SettingsError(f"{named} cannot be served: {error}") from error
    except Exception as error:  # transformers, safetensors and the hub client raise almost anything
        raise SettingsError(
            f"{named} cannot be loaded (can the hub be reached, is the folder whole?): {_ADVICE}"
        ) from error


def _family(checkpoint: Checkpoint) -> Callable[[Checkpoint, Sequence[int]], Towers]:
    config: dict[str, Any] = checkpoint.contents("config.json")
    kind = config.get("model_type")
    if kind is not None and kind in FAMILIES:
        return FAMILIES[kind]
    if checkpoint.file(open_clip.CONFIG):
        return open_clip.load
    if kind == "siglip2":
        raise UnsupportedModelError(
            "its pictures keep their shape (NaFlex), and here every picture is a square; take a SigLIP 2 of a "
            "fixed resolution, for example google/siglip2-base-patch16-224"
        )
    if kind is None:
        raise UnsupportedModelError(
            f"it has neither a config.json with a model_type nor an {open_clip.CONFIG}; {_ADVICE}"
        )
    raise UnsupportedModelError(f"it is a {kind} model; {_ADVICE}")
