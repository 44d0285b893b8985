"""From a text to tokens, on any thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenizers import Tokenizer, normalizers

Tokenize = Callable[[str], list[int]]


def fast(tokenizer: Any, limit: int, *, lower_case: bool = False) -> Tokenize:
    """Tokens by the Rust library itself.

    The wrapper of transformers sets truncation and padding anew for every call, which the library refuses while
    another thread tokenizes; here they are set once.

    Args:
        tokenizer: A fast one of transformers; it is not used afterwards.
        limit: Most tokens, special ones included; what is cut is cut before the end token.
        lower_case: Make texts lower case first.
    """
    backend: Tokenizer = tokenizer.backend_tokenizer
    if lower_case:
        rest = [backend.normalizer] if backend.normalizer else []
        backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *rest])
    backend.enable_truncation(limit)
    backend.no_padding()

    def tokenize(text: str) -> list[int]:
        return list(backend.encode(text).ids)

    return tokenize


def slow(tokenizer: Any, limit: int) -> Tokenize:
    """Tokens by a tokenizer that transformers wrote in Python; arguments as in `fast`."""

    def tokenize(text: str) -> list[int]:
        return list(tokenizer(text, truncation=True, max_length=limit)["input_ids"])

    return tokenize
