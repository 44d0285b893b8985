"""The embedding contract: what the vectors of a collection were made by. It names the collection."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.common.index import bm25

SCHEMA_VERSION = 1
"""Counts changes of the payload and the named vectors."""
DEFAULT_ALIAS = "imagerag"
"""What readers and writers ask for; it points at one physical collection."""


@dataclass(frozen=True)
class EmbeddingContract:
    """One fingerprint for each group of named vectors.

    Attributes:
        joint: Of the encoder that makes `image` and `text`.
        dim: Length of both.
        bm25: Version of the tokenizer and weights.
    """

    joint: str
    dim: int
    bm25: str = bm25.VERSION

    def collection_name(self, alias: str = DEFAULT_ALIAS) -> str:
        """The physical collection of this contract behind `alias`, the same on every machine."""
        text = "\n".join((f"schema {SCHEMA_VERSION}", self.joint, str(self.dim), self.bm25))
        return f"{alias}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def to_metadata(self) -> dict[str, Any]:
        """What is written into the collection's own metadata."""
        return {"imagerag": {"schema": SCHEMA_VERSION, "joint": self.joint, "dim": self.dim, "bm25": self.bm25}}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any] | None) -> EmbeddingContract | None:
        """Read it back; None if the collection is not one of ours."""
        ours = (metadata or {}).get("imagerag")
        if not isinstance(ours, Mapping):
            return None
        return cls(joint=str(ours["joint"]), dim=int(ours["dim"]), bm25=str(ours["bm25"]))
