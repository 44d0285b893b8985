"""Which files of a repository are fetched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.settings import SettingsError
from services.encoder.weights.choice import RemoteFile, files_to_fetch

PLAIN = ["config.json", "preprocessor_config.json", "tokenizer.json", "vocab.json", "merges.txt"]


def chosen(*names: str) -> set[str]:
    return {file.name for file in files_to_fetch([RemoteFile(name, 1) for name in names], "MODEL=some/model")}


def test_what_nobody_reads_stays_there() -> None:
    others = [
        "README.md",
        ".gitattributes",
        "tf_model.h5",
        "flax_model.msgpack",
        "onnx/model.onnx",
        "training_args.bin",
    ]
    assert chosen(*PLAIN, "model.safetensors", *others) == {*PLAIN, "model.safetensors"}


def test_a_text_encoder_comes_with_what_follows_its_transformer() -> None:
    own = {
        "config.json",
        "tokenizer.json",
        "sentencepiece.bpe.model",
        "modules.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
        "1_Pooling/config.json",
        "2_Dense/config.json",
        "2_Dense/model.safetensors",
        "pytorch_model.bin",
    }
    others = (
        "onnx/model.onnx",
        "onnx/config.json",
        "colbert_linear.pt",
        "imgs/modules.json",
        "openvino/model.xml",
    )
    assert chosen(*own, *others) == own


def test_safetensors_go_before_pickles() -> None:
    assert chosen(*PLAIN, "model.safetensors", "pytorch_model.bin") == {*PLAIN, "model.safetensors"}
    assert chosen(*PLAIN, "pytorch_model.bin") == {*PLAIN, "pytorch_model.bin"}


def test_shards_come_with_their_index() -> None:
    shards = {
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    }
    assert chosen("config.json", *shards) == {"config.json", *shards}


@pytest.mark.parametrize(
    "names",
    [
        ["config.json", "preprocessor_config.json", "spiece.model", "tokenizer_config.json", "model.safetensors"],
        ["config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer.model", "model.safetensors"],
        ["config.json", "preprocessor_config.json", "vocab.txt", "pytorch_model.bin"],
        ["open_clip_config.json", "open_clip_model.safetensors", "vocab.json", "merges.txt"],
        ["open_clip_config.json", "open_clip_pytorch_model.bin", "tokenizer.json"],
    ],
)
def test_every_family_gets_its_files(names: list[str]) -> None:
    assert chosen(*names, "README.md", "model.onnx") == set(names)


def test_a_repository_in_both_layouts_is_fetched_once() -> None:
    open_clip = ["open_clip_config.json", "open_clip_pytorch_model.bin", "open_clip_model.safetensors"]
    assert chosen(*PLAIN, "model.safetensors", *open_clip) == {*PLAIN, "model.safetensors"}


@pytest.mark.parametrize("beside", [["config.json"], ["config.json", "model.safetensors"], []])
def test_the_configuration_of_another_library_stays_there(beside: list[str]) -> None:
    """timm's config.json and weights; or transformers' configuration without its weights."""
    names = {"open_clip_config.json", "open_clip_model.safetensors", "tokenizer.json"}
    assert chosen(*names, "open_clip_pytorch_model.bin", *beside) == names


@pytest.mark.parametrize(
    "names",
    [
        ["config.json"],
        ["config.json", "model.safetensors.index.json"],
        ["model.safetensors"],
        ["config.json", "other.safetensors"],
        ["open_clip_config.json"],
        ["open_clip_model.safetensors", "config.json"],
        [],
    ],
)
def test_what_is_no_model_is_refused_by_name(names: list[str]) -> None:
    with pytest.raises(SettingsError, match="some/model"):
        chosen(*names)


@given(st.lists(st.sampled_from([*PLAIN, "model.safetensors", "pytorch_model.bin", "README.md"]), unique=True))
def test_nothing_is_invented_and_one_format_is_enough(names: list[str]) -> None:
    try:
        found = chosen(*names)
    except SettingsError:
        assert "config.json" not in names or not {"model.safetensors", "pytorch_model.bin"} & set(names)
    else:
        assert found <= set(names)
        assert len({"model.safetensors", "pytorch_model.bin"} & found) == 1
