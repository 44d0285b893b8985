"""The embedding contract: what the vectors of a collection were made by. It names the collection."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from services.common.index import bm25

SCHEMA_VERSION = 1
"""Counts changes of the payload and the named vectors."""
DEFAULT_ALIAS = "imagerag"
"""What readers and writers ask for; it points at one physical collection."""


@dataclass(frozen=True)
class SemanticContract:
    """What makes the named vector `semantic`.

    Attributes:
        fingerprint: Of the second text encoder.
        dim: Length of its vectors.
    """

    fingerprint: str
    dim: int


@dataclass(frozen=True)
class EmbeddingContract:
    """One fingerprint for each group of named vectors.

    Attributes:
        joint: Of the encoder that makes `image` and `text`.
        dim: Length of both.
        bm25: Version of the tokenizer and weights.
        semantic: Of the second text encoder; None: the collection has no such vectors.
    """

    joint: str
    dim: int
    bm25: str = bm25.VERSION
    semantic: SemanticContract | None = None

    @property
    def label(self) -> str:
        """The fingerprints of the models, for error texts."""
        return f"{self.joint} + {self.semantic.fingerprint}" if self.semantic else self.joint

    def collection_name(self, alias: str = DEFAULT_ALIAS) -> str:
        """The physical collection of this contract behind `alias`, the same on every machine."""
        lines = [f"schema {SCHEMA_VERSION}", self.joint, str(self.dim), self.bm25]
        # Collections without a second text encoder keep the names that they had before there were any.
        if self.semantic:
            lines += ["semantic", self.semantic.fingerprint, str(self.semantic.dim)]
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        return f"{alias}-{digest[:12]}"

    def to_document(self) -> dict[str, Any]:
        """The JSON form; without a second text encoder it does not mention one."""
        semantic = {"semantic": asdict(self.semantic)} if self.semantic else {}
        return {"joint": self.joint, "dim": self.dim, "bm25": self.bm25, **semantic}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> EmbeddingContract:
        """Read the JSON form.

        Raises:
            KeyError: A part is missing.
        """
        semantic = document.get("semantic")
        return cls(
            joint=str(document["joint"]),
            dim=int(document["dim"]),
            bm25=str(document["bm25"]),
            semantic=SemanticContract(str(semantic["fingerprint"]), int(semantic["dim"])) if semantic else None,
        )

    def to_metadata(self) -> dict[str, Any]:
        """What is written into the collection's own metadata."""
        return {"imagerag": {"schema": SCHEMA_VERSION, **self.to_document()}}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any] | None) -> EmbeddingContract | None:
        """Read it back; None if the collection is not one of ours."""
        ours = (metadata or {}).get("imagerag")
        return cls.from_document(ours) if isinstance(ours, Mapping) else None
