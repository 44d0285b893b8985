"""How the starter starts: its runtime, what it refuses, the gate, and that torch stays away."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from services.common.clients.encoder import TextRole
from services.common.settings import SettingsError
from services.encoder.backends import golden, starter_golden, starter_runtime
from services.encoder.backends.backend import embed_texts
from services.encoder.backends.golden_inputs import TEXTS
from services.encoder.backends.registry import load_backend
from services.encoder.backends.starter import StarterBackend
from services.encoder.backends.starter_onnx import OnnxClassifier
from services.encoder.backends.starter_sentences import Sentences
from services.encoder.backends.starter_texts import LIMIT_TOKENS
from services.encoder.settings import EncoderSettings


@pytest.fixture(scope="module")
def starter() -> StarterBackend:
    return StarterBackend(OnnxClassifier(), streams=2)


@pytest.mark.parametrize(
    ("runtime", "device", "chosen"),
    [
        ("auto", "auto", "onnx"),
        ("auto", "cpu", "onnx"),
        ("auto", "cuda", "torch"),
        ("torch", "auto", "torch"),
        ("torch", "cuda", "torch"),
        ("onnx", "auto", "onnx"),
    ],
)
def test_the_runtime(runtime: str, device: str, chosen: str) -> None:
    settings = EncoderSettings.model_validate({"runtime": runtime, "device": device})
    assert starter_runtime.chosen_runtime(settings) == chosen


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ({"precision": "bfloat16"}, "IMAGERAG_ENCODER_PRECISION is bfloat16"),
        ({"precision": "int8"}, "IMAGERAG_ENCODER_PRECISION is int8"),
        ({"scales": "224,336"}, "IMAGERAG_ENCODER_SCALES is 224,336"),
        ({"runtime": "onnx", "device": "cuda"}, "write torch, or cpu for the device"),
    ],
)
def test_what_the_starter_does_not_have_is_refused(setting: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load_backend(EncoderSettings.model_validate(setting))


def test_streams_follow_the_threads_unless_they_are_set() -> None:
    chosen = [
        starter_runtime.load_starter(EncoderSettings(threads=3, streams=streams)).description.streams
        for streams in (0, 1)
    ]
    assert chosen == [3, 1]


def test_torch_stays_unloaded() -> None:
    """It is the larger part of a start's time and memory; the packages of the extra `starter` come without it."""
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('torch', 'transformers', 'efficientnet_lite_pytorch', 'onnx')))\n"
        "from services.encoder import app\n"
        "from services.encoder.backends.registry import load_backend\n"
        "from services.encoder.settings import EncoderSettings\n"
        "print(load_backend(EncoderSettings(threads=1)).description.model)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "starter"


def test_the_shipped_vectors_pass_in_both_roles(starter: StarterBackend) -> None:
    agreement = golden.compare(starter, starter_golden.load(), threads=1)
    assert agreement.cosine > 0.9999
    assert agreement.rows == 2 * (12 + 2 * len(TEXTS))


def test_the_gate_holds_a_start_against_pictures_and_passages(starter: StarterBackend) -> None:
    references = starter_golden.gate()
    assert set(references.texts) == {TextRole.PASSAGE}
    turned = dataclasses.replace(references, pictures=np.roll(references.pictures, 1, axis=0))
    with pytest.raises(SettingsError, match="picture"):
        golden.check(starter, turned)


def test_vectors_of_another_golden_set_are_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "old.npz"
    np.savez(path, set_version=0)
    with pytest.raises(ValueError, match="golden set 0"):
        starter_golden.load(path)


def test_callers_at_once_get_the_vectors_they_would_get_alone() -> None:
    sentences = Sentences()
    texts = [f"a {thing} number {number}" for thing in ("cat", "harbour", "红苹果") for number in range(6)]
    alone = [sentences.query([text])[0] for text in texts]
    with ThreadPoolExecutor(4) as callers:
        rows = callers.map(lambda index: sentences.query([texts[index % 18]], 1 + index % 2)[0], range(54))
        for index, row in enumerate(rows):
            np.testing.assert_array_equal(row, alone[index % 18])


def test_loading_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    Sentences()
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "OMP_WAIT_POLICY" not in os.environ


def test_threads_of_the_engine_wait_asleep() -> None:
    program = "from services.encoder.backends.starter_sentences import Sentences; Sentences()"
    environment = {**os.environ, "OMP_DISPLAY_ENV": "true"}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in ended.stderr


def test_long_texts_are_cut_before_they_are_queued(starter: StarterBackend) -> None:
    prepared = starter.prepare_text("harbour " * 2000, TextRole.PASSAGE)
    kept = Sentences().token_count(prepared.text)
    assert LIMIT_TOKENS - 8 <= kept <= LIMIT_TOKENS
    same = starter.encode_texts([prepared], TextRole.PASSAGE, 1)
    np.testing.assert_array_equal(same, embed_texts(starter, ["harbour " * 2000], TextRole.PASSAGE))
