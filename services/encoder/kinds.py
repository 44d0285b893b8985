"""What is computed together: inputs of one kind share a forward pass, others never do."""

from __future__ import annotations

from enum import Enum

from services.common.clients.encoder import Space, TextRole


class Kind(Enum):
    """A tower of a model and the role of what goes in; the value is the label of the metrics."""

    IMAGE = "image"
    QUERY = "query"
    PASSAGE = "passage"
    SEMANTIC_QUERY = "semantic_query"
    SEMANTIC_PASSAGE = "semantic_passage"

    @property
    def role(self) -> TextRole:
        """The role of its texts; a picture has none.

        Raises:
            KeyError: It is the kind of pictures.
        """
        return _ROLES[self]

    @property
    def is_semantic(self) -> bool:
        """The second text encoder computes it."""
        return self in (Kind.SEMANTIC_QUERY, Kind.SEMANTIC_PASSAGE)


_ROLES = {
    Kind.QUERY: TextRole.QUERY,
    Kind.PASSAGE: TextRole.PASSAGE,
    Kind.SEMANTIC_QUERY: TextRole.QUERY,
    Kind.SEMANTIC_PASSAGE: TextRole.PASSAGE,
}
_KINDS = {(kind.is_semantic, role): kind for kind, role in _ROLES.items()}


def text_kind(role: TextRole, space: Space) -> Kind:
    """The kind of a text."""
    return _KINDS[(space is Space.SEMANTIC, role)]
