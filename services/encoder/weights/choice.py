"""Which of a repository's files the encoder reads, in the layout of transformers or of open_clip. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.common.settings import SettingsError

_CONFIG = "config.json"
_PICTURES = "preprocessor_config.json"
_OPEN_CLIP_CONFIG = "open_clip_config.json"
_TOKENIZERS = frozenset(
    {
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",  # CLIP
        "merges.txt",
        "spiece.model",  # SigLIP
        "tokenizer.model",  # SigLIP 2
        "vocab.txt",  # Chinese-CLIP, BERT
        "sentencepiece.bpe.model",  # XLM-RoBERTa
    }
)
_SENTENCES = re.compile(
    # sentence-transformers: what follows the transformer, and how texts go in.
    r"modules\.json|sentence_bert_config\.json|config_sentence_transformers\.json"
    r"|\d+_Pooling/config\.json|\d+_Dense/(config\.json|model\.safetensors|pytorch_model\.bin)"
)
_SHARD = r"(-\d+-of-\d+)?"
_FORMATS = (
    re.compile(rf"model{_SHARD}\.safetensors(\.index\.json)?"),
    re.compile(rf"pytorch_model{_SHARD}\.bin(\.index\.json)?"),
)
_OPEN_CLIP_FORMATS = (
    re.compile(r"open_clip_(pytorch_)?model\.safetensors"),
    re.compile(r"open_clip_pytorch_model\.bin"),
)


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub lists it.

    Attributes:
        name: Path inside the repository.
        size_bytes: Its length.
        sha256: Of its bytes, for large files; hexadecimal.
        git_sha1: Of its bytes as git counts them, for the others; hexadecimal.
    """

    name: str
    size_bytes: int
    sha256: str | None = None
    git_sha1: str | None = None


def files_to_fetch(listed: Iterable[RemoteFile], named: str) -> list[RemoteFile]:
    """Configuration, tokenizer, and the weights in one format: safetensors before pickles.

    Args:
        listed: All files of the repository.
        named: The setting and its value, for error texts.

    Raises:
        SettingsError: The repository holds no model that the encoder can load.
    """
    files = sorted(listed, key=lambda file: file.name)
    names = {file.name for file in files}
    weights, open_clip = _first(files, _FORMATS), _first(files, _OPEN_CLIP_FORMATS)
    if _OPEN_CLIP_CONFIG in names and open_clip and not (weights and _PICTURES in names):
        # Without the config.json beside it, which then is timm's or that of weights that are not there.
        return _plain(files, _TOKENIZERS | {_OPEN_CLIP_CONFIG}) + open_clip
    if not weights or _CONFIG not in names:
        raise SettingsError(
            f"{named}: the repository has neither a {_CONFIG} nor an {_OPEN_CLIP_CONFIG} "
            "with weights in safetensors or PyTorch's format; write the hub id of a model "
            "that docs/encoder.md names"
        )
    sentences = [file for file in files if _SENTENCES.fullmatch(file.name)]
    return _plain(files, _TOKENIZERS | {_CONFIG, _PICTURES}) + sentences + weights


def _plain(files: Sequence[RemoteFile], wanted: frozenset[str]) -> list[RemoteFile]:
    return [file for file in files if file.name in wanted]


def _first(files: Sequence[RemoteFile], formats: Sequence[re.Pattern[str]]) -> list[RemoteFile]:
    """The weights in the first format that is there; an index alone is no model."""
    for pattern in formats:
        found = [file for file in files if pattern.fullmatch(file.name)]
        if any(not file.name.endswith(".json") for file in found):
            return found
    return []
