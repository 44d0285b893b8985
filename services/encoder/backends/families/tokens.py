"""From a text to tokens, on any thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenizers import Tokenizer

Tokenize = Callable[[str], list[int]]


def tokens_of(tokenizer: Any, limit: int) -> Tokenize:
    """How a model's tokenizer is called.

    Args:
        tokenizer: Of transformers; it is not used for anything else.
        limit: Most tokens, special ones included; what is cut is cut before the end token.
    """
    # SigLIP's own is written in Python, around sentencepiece.
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return _python(tokenizer, limit) if backend is None else _rust(backend, limit)


def _rust(backend: Tokenizer, limit: int) -> Tokenize:
    """Tokens by the library below transformers.

    The wrapper of transformers sets truncation and padding anew for every call, which the library refuses while
    another thread tokenizes; here they are set once.
    """
    backend.enable_truncation(limit)
    backend.no_padding()

    def tokenize(text: str) -> list[int]:
        return list(backend.encode(text).ids)

    return tokenize


def _python(tokenizer: Any, limit: int) -> Tokenize:
    def tokenize(text: str) -> list[int]:
        return list(tokenizer(text, truncation=True, max_length=limit)["input_ids"])

    return tokenize
