"""The starter's picture classifier: the same in ONNX Runtime and in torch, however it is entered."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from services.common.media.images import decode_rgb
from services.common.media.preprocessing import STARTER, Pixels
from services.encoder.backends import starter_graph, starter_weights
from services.encoder.backends.golden_inputs import pictures
from services.encoder.backends.starter import TOP_CLASSES, StarterBackend, convex_combination
from services.encoder.backends.starter_layers import blocks, fold
from services.encoder.backends.starter_onnx import GRAPH, OnnxClassifier
from services.encoder.backends.starter_torch import TorchClassifier
from tests.fixtures.photos import CAT, COFFEE, ROCKET


@pytest.fixture(scope="module")
def onnx() -> OnnxClassifier:
    return OnnxClassifier()


@pytest.fixture(scope="module")
def photos() -> list[Pixels]:
    decoded = [decode_rgb(data, at_least_px=STARTER.decode_px) for data in (CAT, COFFEE, ROCKET)]
    return [STARTER(picture) for picture in [*decoded, *pictures().values()]]


def test_both_runtimes_give_the_same_vectors_and_fingerprint(onnx: OnnxClassifier, photos: list[Pixels]) -> None:
    ours, reference = StarterBackend(onnx, streams=2), StarterBackend(TorchClassifier("cpu"), streams=1)
    cosines = (ours.encode_images(photos, 1) * reference.encode_images(photos, 1)).sum(1)
    assert cosines.min() > 0.99999
    assert ours.description.fingerprint == reference.description.fingerprint


def test_logits_are_those_of_torch(onnx: OnnxClassifier, photos: list[Pixels]) -> None:
    features, logits = onnx.classify(photos, 1)
    expected = TorchClassifier("cpu").classify(photos, 1)
    np.testing.assert_allclose(features, expected.features, atol=1e-3)
    np.testing.assert_allclose(logits, expected.logits, atol=1e-2)


def test_callers_at_once_get_the_rows_they_would_get_alone(onnx: OnnxClassifier, photos: list[Pixels]) -> None:
    alone = np.concatenate([onnx.classify([photo], 1).features for photo in photos])
    with ThreadPoolExecutor(4) as callers:
        found = callers.map(lambda index: onnx.classify([photos[index % len(photos)]], 1).features[0], range(60))
        for index, row in enumerate(found):
            np.testing.assert_allclose(row, alone[index % len(photos)], atol=1e-4)


STARVED = """
import resource
import numpy as np
from services.encoder.backends.backend import DeviceMemoryError
from services.encoder.backends.starter_onnx import OnnxClassifier

classifier = OnnxClassifier()
pictures = [np.zeros((3, 224, 224), np.uint8)] * 4
classifier.classify(pictures[:1], 1)
with open("/proc/self/statm") as memory:
    in_use_bytes = int(memory.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use_bytes + 20_000_000, in_use_bytes + 20_000_000))
try:
    classifier.classify(pictures, 1)
except DeviceMemoryError:
    print(classifier.classify(pictures[:1], 1).features.shape)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_a_batch_without_memory_is_to_be_halved_and_smaller_ones_still_go() -> None:
    ended = subprocess.run([sys.executable, "-c", STARVED], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("(1, 1280)\n", "")


def test_the_shipped_graph_is_the_one_that_is_built() -> None:
    assert GRAPH.read_bytes() == starter_graph.build().SerializeToString(deterministic=True)


def test_the_table_of_layers_has_the_shapes_of_the_weights() -> None:
    weights = starter_weights.read(starter_weights.classifier_path())
    convolutions = [convolution for block in blocks() for convolution in block.convolutions]
    assert len(convolutions) == 49
    for convolution in convolutions:
        assert weights[f"{convolution.name}.weight"].shape == convolution.shape
    folded = fold(weights)
    assert {array.dtype for array in folded.values()} == {np.dtype(np.float32)}
    norms = [name for name in weights if name.rsplit(".", 2)[-2].startswith("_bn")]
    # Whatever is no normalisation is in the graph, and nothing else.
    assert {name for name in folded if name.endswith("weight")} == {
        name for name in weights if name.endswith("weight") and name not in norms
    }


def test_weights_are_read_as_torch_reads_them() -> None:
    path = starter_weights.classifier_path()
    expected = torch.load(path, map_location="cpu", weights_only=True)
    found = starter_weights.read(path)
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())


def save(path: Path, saved: object) -> Path:
    torch.save(saved, path, _use_new_zipfile_serialization=False)
    return path


def test_tensors_in_any_order_of_axes_are_read(tmp_path: Path) -> None:
    grid = torch.arange(24.0).reshape(2, 3, 4)
    tensors = {"turned": grid.permute(2, 0, 1), "part": grid[1, 1:], "number": torch.tensor(7), "none": grid[:0]}
    found = starter_weights.read(save(tmp_path / "tensors", tensors))
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())


@pytest.mark.parametrize("saved", [{"path": Path("x")}, {"half": torch.zeros(2, dtype=torch.half)}])
def test_what_is_no_float_tensor_is_refused(tmp_path: Path, saved: object) -> None:
    with pytest.raises(pickle.UnpicklingError):
        starter_weights.read(save(tmp_path / "other", saved))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(pickle.dumps(5))
    with pytest.raises(pickle.UnpicklingError, match="magic"):
        starter_weights.read(tmp_path / "other")


def test_a_picture_is_among_its_likeliest_classes() -> None:
    random = np.random.default_rng(3)
    logits: npt.NDArray[np.float32] = random.normal(0, 3, (5, 1000)).astype(np.float32)
    classes: npt.NDArray[np.float32] = random.normal(0, 1, (1000, 8)).astype(np.float32)
    weights, likeliest = torch.softmax(torch.from_numpy(logits) / 1.5, 1).topk(TOP_CLASSES, 1)
    expected = (weights[..., None] * torch.from_numpy(classes)[likeliest]).sum(1).numpy()
    np.testing.assert_allclose(convex_combination(logits, classes), expected, atol=1e-5)
