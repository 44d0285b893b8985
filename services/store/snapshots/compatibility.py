"""Whether a snapshot may stand where a collection stands: same vectors, same metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from services.common.errors import ConflictError, InvalidRequestError
from services.store.description import Description
from services.store.translate.schema import PLACEHOLDER, dense_params

VectorSizes = dict[str, tuple[int, str] | None]
"""Name to size and distance; a sparse vector has none."""


def check_replacement(current: Description, snapshot: Description) -> None:
    """Check that a snapshot is of the same kind as the collection that it replaces.

    The metadata hold the fingerprint of the model that made the vectors: vectors of another model must not come
    in under the old name.

    Raises:
        InvalidRequestError: The vectors differ.
        ConflictError: The metadata differ.
    """
    before, after = described_vectors(current), described_vectors(snapshot)
    if before != after:
        raise InvalidRequestError(
            f"Snapshot is not compatible with existing collection: Collection vectors: {before} "
            f"Snapshot Vectors: {after}"
        )
    own, other = (description.spec.get("metadata") or {} for description in (current, snapshot))
    if own != other:
        raise ConflictError(
            f"The snapshot has other metadata than the collection {current.name!r}: it was made by another model. "
            "Restore it under another name, or delete the collection first."
        )


def check_shard(description: Description, shard: Path) -> None:
    """Check that the engine's files hold the vectors that the description tells.

    Raises:
        InvalidRequestError: They do not.
    """
    if described_vectors(description) != _configured_vectors(shard):
        raise InvalidRequestError("The snapshot's description does not fit its files.")


def described_vectors(description: Description) -> VectorSizes:
    """The vectors of a collection's description."""
    spec = description.collection_spec()
    sizes: VectorSizes = dict.fromkeys(spec.sparse_vectors or {})
    return sizes | {name: (params.size, params.distance.value) for name, params in dense_params(spec).items()}


def _configured_vectors(shard: Path) -> VectorSizes:
    try:
        config: dict[str, Any] = orjson.loads((shard / "edge_config.json").read_bytes())
        dense, sparse = config.get("vectors") or {}, config.get("sparse_vectors") or {}
        sizes: VectorSizes = dict.fromkeys(name for name in sparse if name != PLACEHOLDER)
        return sizes | {name: (int(params["size"]), str(params["distance"])) for name, params in dense.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InvalidRequestError("The snapshot lacks the engine's configuration.") from None
