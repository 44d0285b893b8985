"""The golden gate lets right backends pass and none that is wrong in any of the usual ways."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from services.common.clients.encoder import TextRole
from services.common.domain import Vector
from services.common.media.preprocessing import Pixels
from services.common.settings import SettingsError
from services.encoder.backends import golden
from services.encoder.backends.backend import DeviceMemoryError, ModelDescription
from services.encoder.backends.devices import Placement
from services.encoder.backends.golden import TIE_SHARE, TOP, References, check, compare, misplaced
from services.encoder.backends.golden_inputs import PROBES, TEXTS, pictures, probes
from services.encoder.backends.golden_reference import references
from services.encoder.backends.torch_backend import TorchBackend
from services.encoder.backends.towers import Towers, load_towers
from tests.fixtures.tiny_models import FAMILIES

TWO_STREAMS = Placement("cpu", "float32", 1, 2)
SUMS = {
    "black": 0,
    "pure red, wide": 7650000,
    "pure green, tall": 9180000,
    "one pixel": 255,
    "one pixel wide": 13755,
    "one pixel high": 14967,
    "noise": 19163345,
    "tiny noise": 7749,
    "stripes, one pixel": 45358635,
    "rings": 48468325,
    "gradient": 50167808,
    "rows of glyphs": 39516480,
}


class Around:
    """A backend with something between it and its callers."""

    def __init__(self, backend: TorchBackend) -> None:
        self.backend = backend

    @property
    def description(self) -> ModelDescription:
        return self.backend.description

    def prepare_text(self, text: str, role: TextRole) -> Any:
        return self.backend.prepare_text(text, role)

    def encode_images(self, pixels: Sequence[Pixels], threads: int) -> Vector:
        return self.spoil(self.backend.encode_images(pixels, threads))

    def encode_texts(self, prepared: Sequence[Any], role: TextRole, threads: int) -> Vector:
        return self.spoil(self.backend.encode_texts(prepared, role, threads))

    def spoil(self, rows: Vector) -> Vector:
        return rows


class ChannelsSwapped(Around):
    def encode_images(self, pixels: Sequence[Pixels], threads: int) -> Vector:
        return super().encode_images([np.ascontiguousarray(one[::-1]) for one in pixels], threads)


class RowsRolled(Around):
    def spoil(self, rows: Vector) -> Vector:
        return np.roll(rows, 1, axis=0)


class PlaceMatters(Around):
    def spoil(self, rows: Vector) -> Vector:
        moved = rows + 0.02 * np.arange(len(rows), dtype=np.float32)[:, None]
        unit: Vector = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        return unit


class LongVectors(Around):
    def spoil(self, rows: Vector) -> Vector:
        return 1.01 * rows


class OneIsNoNumber(Around):
    def spoil(self, rows: Vector) -> Vector:
        rows[-1] = np.nan
        return rows


class ShortVectors(Around):
    def spoil(self, rows: Vector) -> Vector:
        return rows[:, :-1]


class SharedBuffer(Around):
    """Right as long as nobody else is inside."""

    _shared: Sequence[Pixels] = ()

    def encode_images(self, pixels: Sequence[Pixels], threads: int) -> Vector:
        self._shared = pixels
        time.sleep(0.02)
        return super().encode_images(self._shared, threads)


class NoMemory(Around):
    def encode_images(self, pixels: Sequence[Pixels], threads: int) -> Vector:
        raise DeviceMemoryError


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    where = tmp_path_factory.mktemp("models")
    return {family: save(where / family) for family, save in FAMILIES.items()}


@pytest.fixture(scope="module")
def expected(folders: dict[str, Path]) -> dict[str, References]:
    return {
        family: references(load_towers(str(folder)), with_probes=family == "clip")
        for family, folder in folders.items()
    }


@pytest.fixture
def towers(folders: dict[str, Path]) -> Towers:
    return load_towers(str(folders["clip"]))


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_right_backend_passes(
    folders: dict[str, Path], expected: dict[str, References], family: str, precision: str
) -> None:
    backend = TorchBackend(load_towers(str(folders[family])), replace(TWO_STREAMS, precision=precision))
    agreement = check(backend, replace(expected[family], probes=None))
    assert golden.LOWEST_COSINES["int8" if precision == "int8" else "float"] <= agreement.cosine <= 1.0001
    if precision == "float32":
        assert agreement.cosine > 0.9999
    assert agreement.rows == 2 * (len(pictures()) + len(TEXTS))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (ChannelsSwapped, "the picture"),
        (RowsRolled, "in a full batch"),
        (PlaceMatters, "cosine"),
        (LongVectors, "a vector of length 1.01"),
        (OneIsNoNumber, "a vector of length nan"),
        (ShortVectors, r"a batch of shape \(8, 23\) \(expected \(8, 24\)\)"),
        (SharedBuffer, "in a small batch beside others|a batch of shape"),
        (NoMemory, "no memory"),
    ],
)
def test_a_wrong_backend_is_refused(
    towers: Towers, expected: dict[str, References], wrong: Callable[[TorchBackend], Around], said: str
) -> None:
    backend = wrong(TorchBackend(towers, TWO_STREAMS))
    with pytest.raises(SettingsError, match=said) as refused:
        check(backend, replace(expected["clip"], probes=None))
    assert "'clip'" in str(refused.value)
    assert "IMAGERAG_ENCODER_" in str(refused.value)


def test_other_constants_are_refused(towers: Towers, expected: dict[str, References]) -> None:
    darker = replace(towers.preprocessing, mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5))
    backend = TorchBackend(replace(towers, preprocessing=darker), TWO_STREAMS)
    agreement = compare(backend, expected["clip"])
    assert agreement.cosine < 0.999
    with pytest.raises(SettingsError, match=f"{agreement.cosine:.4f}, and 0.999 is needed"):
        check(backend, expected["clip"])


def test_padding_that_is_attended_to_is_refused(folders: dict[str, Path], expected: dict[str, References]) -> None:
    towers = load_towers(str(folders["chinese_clip"]))

    def all_attended(module: torch.nn.Module, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return towers.text_features(module, ids, torch.ones_like(mask))

    backend = TorchBackend(replace(towers, text_features=all_attended), TWO_STREAMS)
    with pytest.raises(SettingsError, match="the query"):
        check(backend, expected["chinese_clip"])


def test_padding_to_another_length_is_refused(folders: dict[str, Path], expected: dict[str, References]) -> None:
    towers = load_towers(str(folders["siglip"]))
    with pytest.raises(SettingsError, match="the query"):
        check(TorchBackend(replace(towers, pads_to=None), TWO_STREAMS), expected["siglip"])


def test_weights_that_changed_on_their_way_are_refused(towers: Towers, expected: dict[str, References]) -> None:
    backend = TorchBackend(towers, TWO_STREAMS)
    with torch.no_grad():
        next(weight for name, weight in towers.module.named_parameters() if "patch" in name).mul_(-1)
    with pytest.raises(SettingsError, match="another model"):
        check(backend, expected["clip"])


def test_eight_bits_must_rank_as_the_reference_does(towers: Towers, expected: dict[str, References]) -> None:
    backend = TorchBackend(towers, replace(TWO_STREAMS, precision="int8"))
    assert check(backend, expected["clip"]).cosine > 0.99
    found = expected["clip"].probes
    assert found is not None
    assert found.shape == (PROBES, 24)
    with pytest.raises(SettingsError, match=f"among the first {TOP} of {PROBES}"):
        check(backend, replace(expected["clip"], probes=np.roll(found, 7, axis=0)))


def test_only_ties_may_change_places() -> None:
    scores = np.linspace(1, 0, 30, dtype=np.float32)[None]
    assert misplaced(scores, scores) == []
    swapped = scores.copy()
    swapped[0, [3, 15]] = swapped[0, [15, 3]]
    assert misplaced(scores, swapped) == [0]
    close = scores.copy()
    close[0, 10] = close[0, 9] - TIE_SHARE / 2
    other = close.copy()
    other[0, [9, 10]] = other[0, [10, 9]]
    assert misplaced(close, other) == []
    shuffled = scores.copy()
    shuffled[0, :TOP] = shuffled[0, :TOP][::-1]
    assert misplaced(scores, shuffled) == []


def test_batches_run_on_all_streams_at_once(towers: Towers, expected: dict[str, References]) -> None:
    together = threading.Barrier(2)

    class Meeting(Around):
        def encode_images(self, pixels: Sequence[Pixels], threads: int) -> Vector:
            if len(pixels) == 3:
                together.wait(timeout=30)
            return super().encode_images(pixels, threads)

        def encode_texts(self, prepared: Sequence[Any], role: TextRole, threads: int) -> Vector:
            if len(prepared) == 3:
                together.wait(timeout=30)
            return super().encode_texts(prepared, role, threads)

    assert check(Meeting(TorchBackend(towers, TWO_STREAMS)), replace(expected["clip"], probes=None)).cosine > 0.999


def test_the_golden_set_stays_as_it_is() -> None:
    """The inputs are part of what shipped references were made from."""
    sums = {name: int(np.asarray(picture, np.int64).sum()) for name, picture in pictures().items()}
    assert sums == SUMS
    assert len({probe.tobytes() for probe in probes()}) == PROBES
    assert len(TEXTS) == 12
