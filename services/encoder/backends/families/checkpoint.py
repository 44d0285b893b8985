"""A model's files, on the hub or in a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoImageProcessor, AutoTokenizer
from transformers.image_processing_base import ImageProcessingMixin
from transformers.utils.hub import cached_file


class UnsupportedModelError(Exception):
    """The model cannot be served; the text says why and what to take instead."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a model is read from.

    Attributes:
        name: Hub id or folder.
        revision: Commit or branch of the hub.
    """

    name: str
    revision: str

    @property
    def is_folder(self) -> bool:
        """Whether the files lie on this machine."""
        return Path(self.name).is_dir()

    @property
    def title(self) -> str:
        """Hub id, or the folder's own name: a copy elsewhere is the same model."""
        return Path(self.name).resolve().name if self.is_folder else self.name

    def file(self, *names: str) -> Path | None:
        """The first of these files that there is."""
        for name in names:
            found = cached_file(
                self.name, name, revision=self.revision, _raise_exceptions_for_missing_entries=False
            )
            if found is not None:
                return Path(found)
        return None

    def contents(self, name: str) -> dict[str, Any]:
        """A JSON file; empty if there is none."""
        path = self.file(name)
        return {} if path is None else dict(json.loads(path.read_text(encoding="utf-8")))

    def model(self, architecture: Any) -> Any:
        """The model in float32, in evaluation mode, on the CPU.

        Args:
            architecture: A model class of transformers.

        Raises:
            UnsupportedModelError: Weights are missing, which transformers would replace by random ones.
        """
        model, loading = architecture.from_pretrained(
            self.name,
            revision=self.revision,
            dtype=torch.float32,
            attn_implementation="sdpa",
            output_loading_info=True,
        )
        if loading["missing_keys"]:
            missing = ", ".join(sorted(loading["missing_keys"])[:3])
            raise UnsupportedModelError(f"its files hold no weights for {missing}: fetch them again")
        return model

    def tokenizer(self, kind: Any = AutoTokenizer) -> Any:
        """The model's own tokenizer.

        Args:
            kind: A tokenizer class of transformers.
        """
        return kind.from_pretrained(self.name, revision=self.revision)

    def image_processor(self, **changes: Any) -> Any:
        """The model's own image processor, on Pillow.

        Args:
            changes: Instead of what its configuration says.
        """
        kind: Any = AutoImageProcessor
        return kind.from_pretrained(self.name, revision=self.revision, backend="pil", **changes)

    def image_processor_config(self) -> dict[str, Any]:
        """What `preprocessor_config.json` says."""
        config, _ = ImageProcessingMixin.get_image_processor_dict(self.name, revision=self.revision)
        return dict(config)


def hash_weights(state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over all float32 weights in the order of their names, so that file formats make no difference."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
