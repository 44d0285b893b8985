"""Joint models of every family on one device, in one precision."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from services.common.clients.encoder import TextRole
from services.common.domain import Vector
from services.common.media.preprocessing import Pixels, Preprocessing
from services.encoder.backends import linears
from services.encoder.backends.backend import ModelDescription, unit
from services.encoder.backends.devices import Placement, memory_errors
from services.encoder.backends.execution import execution_on
from services.encoder.backends.towers import Towers

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.float32}
"""Of everything but the rounded weights."""
_BATCH_ITEMS = {"cpu": 8, "cuda": 256}
"""A core is fastest with about eight pictures (ViT-B/32 in bfloat16, img/s: 24 with 1, 37 with 8, 37 with 32), and
where several streams compute, larger batches leave the others next to nothing to take."""


class TorchBackend:
    """See `Backend`.

    Args:
        towers: The module is taken over: it is converted in place, so that its float32 weights are kept by nobody.
        placement: Where it is to run.
    """

    def __init__(self, towers: Towers, placement: Placement) -> None:
        dtype = _DTYPES[placement.precision]
        convert(towers.module, placement)
        self._towers = towers
        self._normalise = Normalisation(towers.preprocessing, torch.device(placement.device), dtype)
        # Last: it waits until everything is on the device.
        self._execution = execution_on(placement.device)
        self._description = ModelDescription(
            model=towers.name,
            weights=towers.weights,
            preprocessing=towers.preprocessing,
            dim=towers.dim,
            device=placement.device,
            precision=placement.precision,
            card=towers.card,
            batch_items=_BATCH_ITEMS[placement.device],
            streams=placement.streams,
            max_text_tokens=towers.max_text_tokens,
        )

    @property
    def description(self) -> ModelDescription:
        """What is loaded."""
        return self._description

    def prepare_text(self, text: str, role: TextRole) -> list[int]:
        """See `Backend.prepare_text`; these models do not tell what is asked from what is stored."""
        return self._towers.tokenize(text)

    def encode_images(self, pixels: Sequence[Pixels], threads: int) -> Vector:
        """See `Backend.encode_images`."""
        with memory_errors():
            return unit(self._execution.run(self._image_rows, [pixels], threads))

    def encode_texts(self, prepared: Sequence[list[int]], role: TextRole, threads: int) -> Vector:
        """See `Backend.encode_texts`."""
        with memory_errors():
            tokens = self._towers.batch(prepared)
            parts = [list(tokens.input_ids.numpy()), list(tokens.attention_mask.numpy())]
            return unit(self._execution.run(self._text_rows, parts, threads))

    def _image_rows(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._towers.image_features(self._towers.module, self._normalise(pixels)).float()

    def _text_rows(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self._towers.text_features(self._towers.module, input_ids, attention_mask).float()


class Normalisation:
    """From bytes to what an image tower takes, on its device: a quarter of the bytes crosses the bus.

    Args:
        preprocessing: Supplies the constants.
        device: Where the bytes will be.
        dtype: Of the tower.
    """

    def __init__(self, preprocessing: Preprocessing, device: torch.device, dtype: torch.dtype) -> None:
        self._mean = torch.tensor(preprocessing.mean, device=device).view(1, 3, 1, 1)
        self._scale = 1 / torch.tensor(preprocessing.std, device=device).view(1, 3, 1, 1)
        self._dtype = dtype

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """uint8 [n, 3, side, side] to the same shape in the tower's precision."""
        return torch.sub(pixels, self._mean).mul_(self._scale).to(self._dtype)


def convert(module: torch.nn.Module, placement: Placement) -> None:
    """Bring a float32 model into its precision and to its device, in place, one weight after another.

    Raises:
        SettingsError: The processor cannot compute in this precision.
    """
    module.to(torch.device(placement.device), _DTYPES[placement.precision])
    module.requires_grad_(False)
    if placement.precision == "int8":
        linears.quantise(module)
    elif placement.device == "cpu":
        linears.pack(module, _DTYPES[placement.precision])
