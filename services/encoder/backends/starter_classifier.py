"""What the starter needs of a picture classifier, whatever computes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from services.common.domain import Vector
from services.common.media.preprocessing import Pixels


class Classified(NamedTuple):
    """Pictures as EfficientNet-Lite0 sees them.

    Attributes:
        features: Before the last layer, the mean over the picture, float32 [n, 1280].
        logits: Of ImageNet's classes, float32 [n, 1000].
    """

    features: Vector
    logits: Vector


class Classifier(Protocol):
    """EfficientNet-Lite0, loaded; thread-safe."""

    @property
    def device(self) -> str:
        """Where it computes: "cpu" or "cuda"."""

    def classify(self, pixels: Sequence[Pixels], threads: int) -> Classified:
        """Classify pictures.

        Args:
            pixels: Each uint8, shape [3, 224, 224].
            threads: CPU threads to compute on.

        Raises:
            DeviceMemoryError: The batch is too large for the device.
        """
