"""Every family in every precision: one class, one vector whatever is beside it."""

from __future__ import annotations

import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from services.common.clients.encoder import TextRole
from services.common.domain import Vector
from services.common.media.images import decode_rgb
from services.common.media.preprocessing import Pixels
from services.common.settings import SettingsError
from services.encoder.backends.backend import DeviceMemoryError, embed_texts, unit
from services.encoder.backends.devices import Placement
from services.encoder.backends.registry import load_backend
from services.encoder.backends.torch_backend import Normalisation, TorchBackend
from services.encoder.backends.towers import load_towers
from services.encoder.settings import EncoderSettings
from tests.fixtures.photos import CAT, COFFEE, ROCKET
from tests.fixtures.tiny_models import save_shaken_clip

TEXTS = ["a cat", "dog", "cat and dog " * 60, "a rather long sentence about a dog that met a cat"]
PRECISIONS = ["float32", "bfloat16", "int8"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_shaken_clip(tmp_path_factory.mktemp("models") / "tiny-clip")


@pytest.fixture(scope="module")
def backends(folder: Path) -> dict[str, TorchBackend]:
    return {
        precision: TorchBackend(load_towers(str(folder)), Placement("cpu", precision, 1, 2))
        for precision in PRECISIONS
    }


@pytest.fixture(scope="module")
def pixels(backends: dict[str, TorchBackend]) -> list[Pixels]:
    prepare = backends["float32"].description.preprocessing
    return [prepare(decode_rgb(data)) for data in (CAT, COFFEE, ROCKET)]


def cosines(first: Vector, second: Vector) -> Vector:
    found: Vector = (first * second).sum(1)
    return found


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_vector_does_not_depend_on_its_batch(
    backends: dict[str, TorchBackend], pixels: list[Pixels], precision: str
) -> None:
    backend = backends[precision]
    alone = np.concatenate([backend.encode_images(pixels[index : index + 1], 1) for index in range(3)])
    crowded = backend.encode_images(pixels * 5, 1)[-3:]
    assert (cosines(alone, crowded) > 0.9999).all()
    texts = np.concatenate([embed_texts(backend, [text], TextRole.QUERY) for text in TEXTS])
    assert (cosines(embed_texts(backend, TEXTS, TextRole.PASSAGE), texts) > 0.9999).all()


def test_float_precisions_are_one_class_and_eight_bits_another(
    backends: dict[str, TorchBackend], pixels: list[Pixels]
) -> None:
    prints = {precision: backend.description.fingerprint for precision, backend in backends.items()}
    assert prints["float32"] == prints["bfloat16"]
    assert prints["int8"] == prints["float32"].removesuffix("-float") + "-int8"
    reference = backends["float32"].encode_images(pixels, 1)
    assert (cosines(backends["bfloat16"].encode_images(pixels, 1), reference) > 0.999).all()
    rounded = cosines(backends["int8"].encode_images(pixels, 1), reference)
    assert (rounded > 0.99).all()
    assert rounded.min() < 0.999999


def test_the_description_is_of_what_is_loaded(backends: dict[str, TorchBackend]) -> None:
    served = backends["int8"].description
    assert (served.model, served.dim, served.device, served.precision) == ("tiny-clip", 24, "cpu", "int8")
    assert (served.streams, served.max_text_tokens) == (2, 77)


def test_threads_do_not_mix_their_batches(backends: dict[str, TorchBackend], pixels: list[Pixels]) -> None:
    backend = backends["bfloat16"]
    single = [backend.encode_images(pixels[index : index + 1], 1)[0] for index in range(3)]

    def at_once(turn: int) -> float:
        order = [(turn + place) % 3 for place in range(1 + turn % 5)]
        rows = backend.encode_images([pixels[index] for index in order], 1)
        return float(cosines(rows, np.stack([single[index] for index in order])).min())

    with ThreadPoolExecutor(4) as executor:
        assert min(executor.map(at_once, range(60))) > 0.9999


def test_the_weights_of_before_are_kept_by_nobody(folder: Path) -> None:
    towers = load_towers(str(folder))
    weights = [weakref.ref(weight) for name, weight in towers.module.named_parameters() if "fc1.weight" in name]
    assert all(reference() is not None for reference in weights)
    backend = TorchBackend(towers, Placement("cpu", "int8", 1))
    assert len(weights) == 4
    assert [reference() for reference in weights] == [None] * 4
    assert backend.description.weights == towers.weights


def test_bytes_are_normalised_as_the_constants_say(
    backends: dict[str, TorchBackend], pixels: list[Pixels]
) -> None:
    preprocessing = backends["float32"].description.preprocessing
    found = Normalisation(preprocessing, torch.device("cpu"), torch.float32)(
        torch.from_numpy(np.stack(pixels))
    ).numpy()
    mean = np.array(preprocessing.mean)[:, None, None]
    std = np.array(preprocessing.std)[:, None, None]
    assert found == pytest.approx((np.stack(pixels) - mean) / std, abs=1e-5)


def test_no_memory_is_said_in_one_word(
    folder: Path, pixels: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = TorchBackend(load_towers(str(folder)), Placement("cpu", "float32", 1))

    def hungry(module: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
        return torch.empty(1 << 60)

    monkeypatch.setattr(backend, "_image_rows", lambda inputs: hungry(torch.nn.Identity(), inputs))
    with pytest.raises(DeviceMemoryError):
        backend.encode_images(pixels, 1)


@pytest.mark.parametrize("precision", ["auto", "int8"])
def test_a_model_comes_through_the_gate(folder: Path, pixels: list[Pixels], precision: str) -> None:
    settings = EncoderSettings.model_validate(
        {"model": str(folder), "device": "cpu", "precision": precision, "threads": 1}
    )
    backend = load_backend(settings)
    rows = backend.encode_images(pixels, 1)
    assert rows.shape == (3, 24)
    assert unit(rows) == pytest.approx(rows, abs=1e-5)


def test_a_model_that_is_not_what_its_pipeline_says_is_not_loaded(tmp_path: Path) -> None:
    broken = save_shaken_clip(tmp_path / "broken")
    with torch.no_grad():
        module: Any = load_towers(str(broken)).module
        next(weight for name, weight in module.named_parameters() if "fc1" in name).fill_(torch.nan)
        module.save_pretrained(broken)
    with pytest.raises(SettingsError, match="nan"):
        load_backend(EncoderSettings.model_validate({"model": str(broken), "device": "cpu", "threads": 1}))
