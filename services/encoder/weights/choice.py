"""Which of a repository's files the encoder reads. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from services.common.settings import SettingsError

_CONFIG = "config.json"
_PLAIN = frozenset(
    {
        _CONFIG,
        "preprocessor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "merges.txt",
    }
)
_SHARD = r"(-\d+-of-\d+)?"
_SAFETENSORS = re.compile(rf"model{_SHARD}\.safetensors(\.index\.json)?")
_PICKLES = re.compile(rf"pytorch_model{_SHARD}\.bin(\.index\.json)?")


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


def files_to_fetch(listed: Iterable[RemoteFile], model: str) -> list[RemoteFile]:
    """Configuration, tokenizer, and the weights in one format: safetensors before pickles.

    Args:
        listed: All files of the repository.
        model: For error texts.

    Raises:
        SettingsError: The repository holds no model that the encoder can load.
    """
    files = sorted(listed, key=lambda file: file.name)
    plain = [file for file in files if file.name in _PLAIN]
    weights = _matching(files, _SAFETENSORS) or _matching(files, _PICKLES)
    if not weights or all(file.name != _CONFIG for file in plain):
        raise SettingsError(
            f"IMAGERAG_ENCODER_MODEL={model!r}: the repository has no {_CONFIG} with weights in safetensors or "
            "PyTorch's format; write the hub id of a CLIP model"
        )
    return plain + weights


def _matching(files: list[RemoteFile], pattern: re.Pattern[str]) -> list[RemoteFile]:
    found = [file for file in files if pattern.fullmatch(file.name)]
    # An index alone is no model.
    return found if any(not file.name.endswith(".json") for file in found) else []
