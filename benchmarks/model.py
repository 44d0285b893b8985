"""A CLIP of the shape of a real one with random weights: as much work, and nothing to download."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPConfig, CLIPModel

from benchmarks.words import WORDS
from services.common.media.preprocessing import CLIP

_SEED = 32
_START, _END = "<|startoftext|>", "<|endoftext|>"


@dataclass(frozen=True)
class Shape:
    """Of a model.

    Attributes:
        folder: Its name; counts up when what is written changes.
        title: For people.
        configuration: What differs from the defaults of transformers' CLIPConfig, which are those of ViT-B/32.
    """

    folder: str
    title: str
    configuration: dict[str, Any] = field(default_factory=dict)


VIT_B32 = Shape("clip-vit-b32-random-1", "ViT-B/32")
VIT_L14 = Shape(
    "clip-vit-l14-random-1",
    "ViT-L/14",
    {
        "projection_dim": 768,
        "vision_config": {
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "patch_size": 14,
            "projection_dim": 768,
        },
        "text_config": {
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_attention_heads": 12,
            "projection_dim": 768,
        },
    },
)
FOLDER = VIT_B32.folder


def build(cache: Path, shape: Shape = VIT_B32) -> Path:
    """The model's folder, made on the first call (600 MB; ViT-L/14 1.7 GB).

    Args:
        cache: Where it is kept for the next time.
        shape: Which one.
    """
    folder = cache / shape.folder
    if folder.is_dir():
        return folder
    part = cache / f"{shape.folder}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    vocabulary, merges = whole_words(WORDS)
    torch.manual_seed(_SEED)
    special = {"bos_token_id": vocabulary[_START], "eos_token_id": vocabulary[_END], "pad_token_id": 0}
    text = {**shape.configuration.get("text_config", {}), **special}
    config: Any = CLIPConfig(**{**shape.configuration, "text_config": text})
    CLIPModel(config).save_pretrained(part)
    _write(part / "vocab.json", json.dumps(vocabulary))
    _write(part / "merges.txt", "\n".join(["#version: 0.2", *merges]) + "\n")
    _write(part / "tokenizer_config.json", json.dumps({"tokenizer_class": "CLIPTokenizer"}))
    constants = {
        "image_mean": [value / 255 for value in CLIP.mean],
        "image_std": [value / 255 for value in CLIP.std],
    }
    _write(
        part / "preprocessor_config.json", json.dumps({"image_processor_type": "CLIPImageProcessor", **constants})
    )
    return part.rename(folder)


def whole_words(words: tuple[str, ...]) -> tuple[dict[str, int], list[str]]:
    """A byte-pair vocabulary in which each of these words is one token, as frequent words are in the real one.

    Returns:
        Ids by token, and merges in their order, as the tokenizer's files hold them.
    """
    tokens = {chr(code): None for code in range(ord("!"), ord("~") + 1)}
    tokens |= {f"{token}</w>": None for token in list(tokens)}
    merges: dict[tuple[str, str], None] = {}
    for word in words:
        # The end comes first: a merge from the left would be taken for a word that only begins like this one.
        right = f"{word[-1]}</w>"
        for letter in reversed(word[:-1]):
            merges[letter, right] = None
            right = letter + right
            tokens[right] = None
    ordered = [*tokens, _START, _END]
    return {token: number for number, token in enumerate(ordered)}, [" ".join(pair) for pair in merges]


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
