"""The name of an embedding: a hash of what it was made from, under the contract it was made by."""

from __future__ import annotations

import hashlib
import unicodedata

from services.common.clients.encoder import Space, TextRole

# Not "imagerag:embedding:": there an earlier version kept bare floats, and would read what is kept now as such.
_PREFIX = "imagerag:vector"


def image_key(fingerprint: str, data: bytes) -> str:
    """The name of a picture's embedding.

    Args:
        fingerprint: The embedding contract.
        data: Encoded bytes, as they go to the encoder.
    """
    return image_key_of(fingerprint, hashlib.sha256(data).hexdigest())


def image_key_of(fingerprint: str, sha256: str) -> str:
    """As `image_key`, for who has the hex digest of the bytes already."""
    return f"{_PREFIX}:{fingerprint}:image:{sha256}"


def text_key(fingerprint: str, text: str, role: TextRole, space: Space) -> str:
    """The name of a text's embedding.

    Args:
        fingerprint: The contract of `space`.
        text: As it goes to the encoder.
        role: Some models embed a question and a passage differently.
        space: Which of the encoder's spaces.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{_PREFIX}:{fingerprint}:{space.name.lower()}-{role.name.lower()}:{digest}"


def normalised(text: str) -> str:
    """The form in which a text is both named and encoded, so that one name always stands for one input.

    Canonically equal characters are one (Unicode's NFC) and space around the text is gone.
    """
    return unicodedata.normalize("NFC", text).strip()
