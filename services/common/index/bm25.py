"""Sparse BM25 vectors, made on our side: the same words for documents and queries on every server.

Qdrant's own tokenizers split at word boundaries, which Chinese does not write: of 170 substrings that a reader
would search for, its default tokenizer matched 21 and its multilingual one 105. Unigrams and bigrams match all.
The inverse document frequency is left to the server (`modifier: idf`); what is sent is the term frequency part
of Okapi BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009, eq. 3.15).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import mmh3
from opencc import OpenCC

from services.common.domain import SparseVector

K1 = 1.2
"""Saturation of repeated terms; the textbook's value."""
B = 0.75
"""Share of the length normalisation; the textbook's value."""
AVERAGE_LENGTH_TOKENS = 8.0
"""Tokens of a typical item's texts. Measured means: 3.7 for 538 English one-line descriptions, 8.5 for their 468
Chinese translations (a character and a pair count as one each). Fixed: it scales stored weights."""
VERSION = f"bm25-1:k1={K1}:b={B}:avg={AVERAGE_LENGTH_TOKENS}"
"""Names everything that changes the numbers; part of the embedding contract."""

# Scripts written without spaces: Han, kana, Hangul, Thai, Lao, Khmer, Myanmar.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
)
_RUN = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|(?P<word>[^\W_{_UNSPACED}]+(?:[-.'][^\W_{_UNSPACED}]+)*)")
_UNSPACED_CHARACTER = re.compile(f"[{_UNSPACED}]")
_JOINT = re.compile(r"[-.']")

STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "can",
        "do",
        "does",
        "for",
        "from",
        "has",
        "have",
        "how",
        "i",
        "in",
        "is",
        "it",
        "its",
        "me",
        "my",
        "of",
        "on",
        "or",
        "show",
        "that",
        "the",
        "their",
        "there",
        "these",
        "this",
        "to",
        "was",
        "what",
        "when",
        "where",
        "which",
        "who",
        "will",
        "with",
        "you",
        "your",
        "find",
        "picture",
        "pictures",
        "photo",
        "photos",
        "image",
        "images",
        "的",
        "了",
        "是",
        "在",
        "有",
        "和",
        "与",
        "我",
        "你",
        "他",
        "它",
        "们",
        "这",
        "那",
        "什么",
        "哪",
        "哪里",
        "哪个",
        "怎么",
        "吗",
        "呢",
        "个",
        "张",
        "图",
        "图片",
        "照片",
    ]
)
"""Words that say nothing about what is looked for; they count in no relevance."""


def normalise(text: str) -> str:
    """NFKC, lower case, traditional Chinese characters to simplified ones.

    Characters are mapped one by one: a phrase dictionary would map a character by its neighbours, and a
    substring would then no longer be one.
    """
    return "".join(map(_simplified, unicodedata.normalize("NFKC", text).lower()))


@lru_cache(maxsize=1)
def _converter() -> OpenCC:
    return OpenCC("t2s")


@lru_cache(maxsize=65_536)
def _simplified(character: str) -> str:
    return character if character.isascii() else str(_converter().convert(character))


def tokenize(text: str) -> list[str]:
    """The terms of a text, in order, with repetitions.

    Words and numbers of spaced scripts stay whole ("300", "am4", "12-34"); a joined word of letters gives its
    parts as well ("t-shirt", "shirt"). Unspaced scripts give every character and every pair of neighbours.
    """
    tokens: list[str] = []
    for run in _RUN.finditer(normalise(text)):
        word = run["word"]
        tokens.extend(_word_tokens(word) if word else _unspaced_tokens(run["unspaced"]))
    return tokens


def _word_tokens(word: str) -> list[str]:
    parts = _JOINT.split(word)
    if len(parts) == 1:
        return [word]
    return [word, *(part for part in parts if len(part) > 1 and part.isalpha())]


def _unspaced_tokens(run: str) -> list[str]:
    return [*run, *(run[start : start + 2] for start in range(len(run) - 1))]


@dataclass(frozen=True)
class Field:
    """A text of a document that has several.

    Attributes:
        weight: What a word in it counts, by what it counts in the first one.
        average_length_tokens: Of such texts: a longer one is damped, without damping the others.
    """

    text: str
    weight: float = 1.0
    average_length_tokens: float = AVERAGE_LENGTH_TOKENS


def encode_document(text: str) -> SparseVector | None:
    """Term weights of a stored text; None if it has no terms."""
    return encode_fields([Field(text)])


def encode_fields(fields: Sequence[Field]) -> SparseVector | None:
    """Term weights of a stored document in fields; None if it has no terms.

    BM25F (Robertson, Zaragoza and Taylor, "Simple BM25 Extension to Multiple Weighted Fields", 2004): a term's
    counts are normalised by the length of each field, weighted, added up, and only then saturated. With one field
    of weight 1 it is BM25.
    """
    counts: dict[str, float] = {}
    for field in fields:
        tokens = tokenize(field.text)
        norm = 1 - B + B * len(tokens) / field.average_length_tokens
        for term, count in Counter(tokens).items():
            counts[term] = counts.get(term, 0.0) + count * field.weight / norm
    return _merge({term: count * (K1 + 1) / (count + K1) for term, count in counts.items()})


def encode_query(text: str) -> SparseVector | None:
    """One weight of 1.0 for each distinct term that says something; None if there is none."""
    return _merge(dict.fromkeys(content_terms(text), 1.0))


def content_terms(text: str) -> list[str]:
    """The distinct terms of a query without stop words; all of them if it has nothing else."""
    terms = list(dict.fromkeys(tokenize(text)))
    return [term for term in terms if term not in STOP_WORDS] or terms


def _merge(weights: dict[str, float]) -> SparseVector | None:
    """Hash terms to indices. Two terms on one index add up: Qdrant refuses a repeated index."""
    merged: dict[int, float] = {}
    for term, weight in weights.items():
        index = mmh3.hash(term, signed=False)
        merged[index] = merged.get(index, 0.0) + weight
    if not merged:
        return None
    indices = tuple(sorted(merged))
    return SparseVector(indices, tuple(merged[index] for index in indices))


def matched_words(query: str, text: str) -> tuple[str, ...]:
    """Words of the query that stand in the text, for a person to read.

    Of an unspaced script the longest common runs are given, not their pairs.
    """
    return tuple(word for word in _shared_words(query, text) if word not in STOP_WORDS)


def _shared_words(query: str, text: str) -> list[str]:
    stored = set(tokenize(text))
    haystack = normalise(text)
    found: dict[str, None] = {}
    for run in _RUN.finditer(normalise(query)):
        words = _word_tokens(run["word"]) if run["word"] else _common_runs(run["unspaced"], haystack)
        found.update(dict.fromkeys(w for w in words if w in stored or (not run["word"] and w in haystack)))
    return list(found)


def _common_runs(run: str, haystack: str) -> list[str]:
    runs, start = [], 0
    while start < len(run):
        end = start
        while end < len(run) and run[start : end + 1] in haystack:
            end += 1
        # One shared character of a longer phrase is chance, not a word.
        if end - start > 1 or (end > start and len(run) == 1):
            runs.append(run[start:end])
        start = max(end, start + 1)
    return runs


def matched_terms(query: str, text: str) -> set[str]:
    """The query's terms that stand in the text."""
    return set(content_terms(query)).intersection(tokenize(text))


def matched_runs(query: str, text: str) -> set[str]:
    """The query's terms that stand in a long text for a reason.

    A page in Chinese holds most of the characters that any question is made of. Of an unspaced script a single
    character only counts as part of a longer run that both have, or where the query asks for no more than that.
    """
    found = matched_terms(query, text)
    in_runs = {term for word in _shared_words(query, text) for term in tokenize(word)}
    return {term for term in found if len(term) > 1 or not _UNSPACED_CHARACTER.match(term) or term in in_runs}


def stands_in(query: str, text: str) -> bool:
    """Whether a query of two words or more (or characters of an unspaced script) stands in a text as it is.

    Spaces, punctuation and case do not matter, nor stop words before and behind it.
    """
    wanted = _units(query)
    while wanted and wanted[0] in STOP_WORDS:
        wanted.pop(0)
    while wanted and wanted[-1] in STOP_WORDS:
        wanted.pop()
    return len(wanted) > 1 and _chained(wanted) in _chained(_units(text))


def _units(text: str) -> list[str]:
    units: list[str] = []
    for run in _RUN.finditer(normalise(text)):
        units.extend([run["word"]] if run["word"] else run["unspaced"])
    return units


def _chained(units: Sequence[str]) -> str:
    return "\0" + "".join(f"{unit}\0" for unit in units)


def matched_share(query: str, text: str) -> float:
    """Share of the query's terms that stand in the text, in [0, 1]; 0 for a query without terms."""
    terms = content_terms(query)
    return len(matched_terms(query, text)) / len(terms) if terms else 0.0
