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
    return _key(fingerprint, "image", data)


def text_key(fingerprint: str, text: str, role: TextRole, space: Space) -> str:
    """The name of a text's embedding.

    Args:
        fingerprint: The contract of `space`.
        text: As it goes to the encoder.
        role: Some models embed a question and a passage differently.
        space: Which of the encoder's spaces.
    """
    return _key(fingerprint, f"{space.name.lower()}-{role.name.lower()}", text.encode())


def normalised(text: str) -> str:
    """The form in which a text is both named and encoded, so that one name always stands for one input.

    Canonically equal characters are one (Unicode's NFC) and space around the text is gone.
    """
    return unicodedata.normalize("NFC", text).strip()


def _key(fingerprint: str, kind: str, content: bytes) -> str:
    return f"{_PREFIX}:{fingerprint}:{kind}:{hashlib.sha256(content).hexdigest()}"
