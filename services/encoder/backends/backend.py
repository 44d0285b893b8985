"""What a model must offer to be served."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from services.common.clients.encoder import TextRole
from services.common.domain import Direction, Vector
from services.encoder.preprocessing import Pixels, Preprocessing

_READ_BYTES = 1 << 20


class DeviceMemoryError(Exception):
    """The batch does not fit into the device's memory; a smaller one may."""


@dataclass(frozen=True)
class ModelCard:
    """What was measured and what a person should know.

    Attributes:
        notice: A sentence or two: what the model is and what it is not good at.
        noise_floors: Score by direction that unrelated pairs stay below; a direction that was not measured is
            absent.
        text_is_sentence_space: Text vectors serve text to text as well.
    """

    notice: str
    noise_floors: Mapping[Direction, float] = field(default_factory=dict)
    text_is_sentence_space: bool = False


@dataclass(frozen=True)
class ModelDescription:
    """What is loaded.

    Attributes:
        model: Hub id, folder name or "starter".
        weights: Hash of everything learned, hexadecimal.
        preprocessing: How pictures become model input.
        dim: Length of every vector.
        device: "cpu" or "cuda".
        precision: "float32" or "bfloat16"; the two are one class, their vectors agree to a cosine of 0.9999.
        card: Floors and notice.
        batch_items: Most inputs worth computing at once.
    """

    model: str
    weights: str
    preprocessing: Preprocessing
    dim: int
    device: str
    precision: str
    card: ModelCard
    batch_items: int = 64

    @property
    def fingerprint(self) -> str:
        """Model, weights, preprocessing version and precision class in one word."""
        name = re.sub(r"[^a-z0-9.]+", "-", self.model.lower().rsplit("/", 1)[-1]).strip("-")
        return f"{name}-{self.weights[:12]}-{self.preprocessing.digest}-float"


class Backend(Protocol):
    """A loaded model. Both methods run on one thread, never two at once."""

    @property
    def description(self) -> ModelDescription:
        """What is loaded; it does not change."""

    def encode_images(self, pixels: Pixels) -> Vector:
        """Embed pictures.

        Args:
            pixels: uint8, shape [n, 3, side, side], as the description's preprocessing makes them.

        Returns:
            float32, shape [n, dim], unit length.

        Raises:
            DeviceMemoryError: The batch is too large for the device.
        """

    def encode_texts(self, texts: Sequence[str], role: TextRole) -> Vector:
        """Embed texts; returns and raises as `encode_images`.

        Args:
            texts: Not empty, each with at least one visible character.
            role: Whether they are asked or stored.
        """


def unit(vectors: Vector) -> Vector:
    """Scale rows to length 1; a row of zeros stays as it is.

    Args:
        vectors: float32, shape [..., dim].
    """
    lengths = (vectors * vectors).sum(-1, keepdims=True) ** 0.5
    scaled: Vector = vectors / lengths.clip(min=1e-12)
    return scaled.astype("float32", copy=False)


def hash_files(paths: Iterable[Path]) -> str:
    """SHA-256 over the contents of `paths` in the order of their names.

    Names are left out, so that a copy in another folder is the same model.
    """
    digest = hashlib.sha256()
    for path in sorted(paths, key=_file_name):
        with path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
    return digest.hexdigest()


def _file_name(path: Path) -> str:
    return path.name
