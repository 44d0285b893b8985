"""From `open_clip_config.json` to the configuration of a CLIP in transformers. Pure.

Whatever changes the computation and is not known here is refused by its name: a model that answers wrongly is
worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.common.media.preprocessing import CLIP, Preprocessing, Resample
from services.encoder.backends.families.checkpoint import UnsupportedModelError
from services.encoder.backends.families.pictures import scaled

_TAKE_INSTEAD = (
    "open_clip's plain vision transformers can be served, for example laion/CLIP-ViT-B-32-laion2B-s34B-b79K; for "
    "a SigLIP take google/siglip-base-patch16-224 or google/siglip2-base-patch16-224"
)
# What does not change the answer of a trained model, or only if it has another value than these.
_HARMLESS: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "model_cfg": {"custom_text": (False, True), "init_logit_scale": (...,), "init_logit_bias": (None,)},
    "vision_cfg": {
        "patch_dropout": (...,),
        "attentional_pool": (False,),
        "no_ln_pre": (False,),
        "final_ln_after_pool": (False,),
        "pool_type": ("tok",),
        "pos_embed_type": ("learnable",),
        "output_tokens": (False,),
        "input_patchnorm": (False,),
        "global_average_pool": (False,),
        "ls_init_value": (None,),
        "timm_model_name": (None,),
    },
    "text_cfg": {
        "hf_tokenizer_name": (...,),
        "hf_model_name": (None,),
        "pool_type": ("argmax",),
        "embed_cls": (False,),
        "no_causal_mask": (False,),
        "final_ln_after_pool": (False,),
        "proj_bias": (False,),
        "proj_type": ("linear",),
        "output_tokens": (False,),
        "ls_init_value": (None,),
        "pad_id": (0,),
    },
}
_USED: Mapping[str, frozenset[str]] = {
    "model_cfg": frozenset({"embed_dim", "vision_cfg", "text_cfg", "quick_gelu"}),
    "vision_cfg": frozenset({"layers", "width", "head_width", "mlp_ratio", "patch_size", "image_size"}),
    "text_cfg": frozenset({"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"}),
}


def clip_config(model: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `CLIPConfig` that describe the same computation.

    Args:
        model: `model_cfg` of the file; defaults as in open_clip's own classes.

    Raises:
        UnsupportedModelError: It is not a plain vision transformer with a plain text transformer.
    """
    vision, text = model.get("vision_cfg"), model.get("text_cfg")
    if not isinstance(vision, Mapping) or not isinstance(text, Mapping) or "embed_dim" not in model:
        raise UnsupportedModelError("its open_clip_config.json has no model_cfg with vision_cfg and text_cfg")
    for part, settings in (("model_cfg", model), ("vision_cfg", vision), ("text_cfg", text)):
        _refuse_unknown(part, settings)
    if not isinstance(vision.get("layers", 12), int):
        raise UnsupportedModelError(f"its image tower is a ResNet: {_TAKE_INSTEAD}")
    activation = "quick_gelu" if model.get("quick_gelu") else "gelu"
    return {
        "projection_dim": int(model["embed_dim"]),
        "vision_config": _vision(vision) | {"hidden_act": activation, "projection_dim": int(model["embed_dim"])},
        "text_config": _text(text) | {"hidden_act": activation, "projection_dim": int(model["embed_dim"])},
    }


def preprocessing_of(pictures: Mapping[str, Any], side_px: int) -> Preprocessing:
    """The preprocessing that `preprocess_cfg` asks for.

    Args:
        pictures: `preprocess_cfg` of the file; constants on the scale 0 to 1.
        side_px: What the image tower takes.

    Raises:
        UnsupportedModelError: It asks for something that is not done here.
    """
    fits = {"shortest": "crop", "squash": "squash"}
    fit = fits.get(pictures.get("resize_mode") or "shortest")
    resample: Resample = pictures.get("interpolation") or "bicubic"
    if fit is None or resample not in ("bicubic", "bilinear") or _square(pictures.get("size"), side_px) != side_px:
        raise UnsupportedModelError(
            f"its open_clip_config.json asks for pictures that are not made here: {pictures}"
        )
    return Preprocessing(
        fit=fit,  # type: ignore[arg-type]  # of the table above
        side_px=side_px,
        mean=scaled(pictures["mean"]) if pictures.get("mean") else CLIP.mean,
        std=scaled(pictures["std"]) if pictures.get("std") else CLIP.std,
        resample=resample,
    )


def _vision(vision: Mapping[str, Any]) -> dict[str, Any]:
    width = int(vision.get("width", 768))
    return {
        "hidden_size": width,
        "intermediate_size": int(width * float(vision.get("mlp_ratio", 4.0))),
        "num_hidden_layers": int(vision.get("layers", 12)),
        "num_attention_heads": width // int(vision.get("head_width", 64)),
        "patch_size": _square(vision.get("patch_size"), 16),
        "image_size": _square(vision.get("image_size"), 224),
    }


def _text(text: Mapping[str, Any]) -> dict[str, Any]:
    width, vocabulary = int(text.get("width", 512)), int(text.get("vocab_size", 49408))
    return {
        "hidden_size": width,
        "intermediate_size": int(width * float(text.get("mlp_ratio", 4.0))),
        "num_hidden_layers": int(text.get("layers", 12)),
        "num_attention_heads": int(text.get("heads", 8)),
        "max_position_embeddings": int(text.get("context_length", 77)),
        "vocab_size": vocabulary,
        # open_clip takes the place of the highest token, which is the end token.
        "eos_token_id": vocabulary - 1,
        "bos_token_id": vocabulary - 2,
    }


def _square(size: Any, usual: int) -> int:
    if size is None:
        return usual
    sides = set(size) if isinstance(size, (list, tuple)) else {size}
    if len(sides) != 1:
        raise UnsupportedModelError(f"its pictures are no squares: {size}")
    return int(sides.pop())


def _refuse_unknown(part: str, settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        if name in _USED[part]:
            continue
        harmless = _HARMLESS[part].get(name, ())
        # A family of settings belongs to another tower, which is named by the first of them.
        belongs_elsewhere = name.startswith(("timm_", "hf_")) and not settings.get(
            f"{name.split('_')[0]}_model_name"
        )
        if value in harmless or ... in harmless or belongs_elsewhere:
            continue
        raise UnsupportedModelError(
            f"its open_clip_config.json has {part}.{name} = {value!r}, which is not computed here: {_TAKE_INSTEAD}"
        )
