"""CLIP through transformers: any model of the `clip` type, by hub id or from a local folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoTokenizer, CLIPModel
from transformers.image_processing_base import ImageProcessingMixin

from services.common.clients.encoder import TextRole
from services.common.domain import Vector
from services.common.media.preprocessing import CLIP, Pixels, Preprocessing
from services.common.settings import SettingsError
from services.encoder.backends.backend import ModelCard, ModelDescription, unit
from services.encoder.backends.devices import Placement, memory_errors

_UNMEASURED = ModelCard(
    notice=(
        "CLIP understands English only, and at most 77 tokens of it; its text vectors are weak from text to text. "
        "The noise floors of this model have not been measured, so every hit has a vote."
    )
)
NEWEST = "main"
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class ClipBackend:
    """Two towers and a tokenizer.

    Args:
        name: Hub id, or the name of the folder.
        model: In float32, on the CPU.
        tokenizer: The model's own.
        preprocessing: The model's own.
        placement: Where it is to run.
    """

    def __init__(
        self, name: str, model: CLIPModel, tokenizer: Any, preprocessing: Preprocessing, placement: Placement
    ) -> None:
        weights = hash_weights(model.state_dict())
        config: Any = model.config
        self._dtype = _DTYPES[placement.precision]
        self._device = torch.device(placement.device)
        self._model = torch.nn.Module.eval(torch.nn.Module.to(model, self._device, self._dtype))
        self._tokenizer = tokenizer
        self._text_tokens = int(config.text_config.max_position_embeddings)
        self._mean = torch.tensor(preprocessing.mean, device=self._device).view(1, 3, 1, 1)
        self._std = torch.tensor(preprocessing.std, device=self._device).view(1, 3, 1, 1)
        self._description = ModelDescription(
            model=name,
            weights=weights,
            preprocessing=preprocessing,
            dim=int(config.projection_dim),
            device=placement.device,
            precision=placement.precision,
            card=_UNMEASURED,
        )

    @classmethod
    def load(cls, name: str, placement: Placement, revision: str = NEWEST) -> ClipBackend:
        """Load a model.

        Args:
            name: Hub id or folder.
            placement: Where it is to run.
            revision: Commit or branch of the hub.

        Raises:
            SettingsError: There is no such model, or it is not of the `clip` type.
        """
        try:
            config = AutoConfig.from_pretrained(name, revision=revision)
            if config.model_type != "clip":
                raise SettingsError(
                    f"IMAGERAG_ENCODER_MODEL={name!r} is a {config.model_type} model, but only clip models can be "
                    "served: write openai/clip-vit-base-patch32 or another CLIP, or starter"
                )
            model = CLIPModel.from_pretrained(
                name, revision=revision, dtype=torch.float32, attn_implementation="sdpa"
            )
            tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
            processor, _ = ImageProcessingMixin.get_image_processor_dict(name, revision=revision)
        except (SettingsError, ModuleNotFoundError):
            raise
        except Exception as error:  # transformers, safetensors and the hub client raise almost anything
            raise SettingsError(
                f"IMAGERAG_ENCODER_MODEL={name!r} cannot be loaded: write the hub id of a CLIP model (and see "
                "that the hub can be reached), the folder of one, or starter"
            ) from error
        shown = Path(name).resolve().name if Path(name).is_dir() else name
        side_px = int(config.vision_config.image_size)
        return cls(shown, model, tokenizer, preprocessing_of(processor, side_px), placement)

    @property
    def description(self) -> ModelDescription:
        """What is loaded."""
        return self._description

    def prepare_text(self, text: str, role: TextRole) -> list[int]:
        """See `Backend.prepare_text`; CLIP does not tell what is asked from what is stored."""
        tokens: list[int] = self._tokenizer(text, truncation=True, max_length=self._text_tokens)["input_ids"]
        return tokens

    def encode_images(self, pixels: Sequence[Pixels], threads: int) -> Vector:
        """See `Backend.encode_images`."""
        with memory_errors(), torch.inference_mode():
            bytes_ = torch.from_numpy(np.stack(pixels)).to(self._device)
            normal = (bytes_.float() - self._mean) / self._std
            return _rows(self._model.get_image_features(pixel_values=normal.to(self._dtype)))

    def encode_texts(self, prepared: Sequence[list[int]], role: TextRole, threads: int) -> Vector:
        """See `Backend.encode_texts`."""
        tokens = self._tokenizer.pad({"input_ids": list(prepared)}, return_tensors="pt").to(self._device)
        with memory_errors(), torch.inference_mode():
            return _rows(
                self._model.get_text_features(
                    input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
                )
            )


def preprocessing_of(processor: Mapping[str, Any], side_px: int) -> Preprocessing:
    """The preprocessing that a model's `preprocessor_config.json` asks for.

    Args:
        processor: Its contents; constants on the scale 0 to 1.
        side_px: What the vision tower takes.
    """
    if "image_mean" not in processor or "image_std" not in processor:
        return Preprocessing("crop", side_px, CLIP.mean, CLIP.std)
    return Preprocessing("crop", side_px, _scaled(processor["image_mean"]), _scaled(processor["image_std"]))


def _scaled(constants: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) * 255 for value in constants)
    return red, green, blue


def hash_weights(state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over all float32 weights in the order of their names, so that file formats make no difference."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _rows(features: Any) -> Vector:
    # transformers 5.23 returns an output object here, older versions a tensor.
    tensor: torch.Tensor = getattr(features, "pooler_output", features)
    return unit(tensor.float().cpu().numpy())
