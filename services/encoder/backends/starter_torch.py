"""The starter's picture classifier in torch: on CUDA, without ONNX Runtime, and as the reference."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from efficientnet_lite_pytorch import EfficientNet

from services.common.media.preprocessing import STARTER, Pixels
from services.encoder.backends.devices import memory_errors
from services.encoder.backends.execution import execution_on
from services.encoder.backends.starter_classifier import Classified
from services.encoder.backends.starter_layers import FEATURES
from services.encoder.backends.starter_weights import classifier_path


class TorchClassifier:
    """See `Classifier`.

    Args:
        device: "cpu" or "cuda".
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._execution = execution_on(device)
        network = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(classifier_path(), map_location="cpu", weights_only=True))
        # Depthwise convolutions on a CPU: 45 img/s a core against 24 with channels first.
        self._network = network.eval().to(device, memory_format=torch.channels_last)

    @property
    def device(self) -> str:
        """See `Classifier.device`."""
        return self._device

    def classify(self, pixels: Sequence[Pixels], threads: int) -> Classified:
        """See `Classifier.classify`."""
        with memory_errors():
            joined = self._execution.run(self._compute, [pixels], threads)
        return Classified(joined[:, :FEATURES], joined[:, FEATURES:])

    def _compute(self, pixels: torch.Tensor) -> torch.Tensor:
        """Features and logits side by side, so that one copy brings both back."""
        normal = (pixels.float() - STARTER.mean[0]) / STARTER.std[0]
        features = self._network.extract_features(normal).mean((2, 3))
        return torch.cat([features, self._network._fc(features)], dim=1)
