"""How a sentence-embedding model wants to be used, read from the files beside its weights.

The layout is that of sentence-transformers ("Creating Custom Models" in its documentation): `modules.json` lists
what follows the transformer, `1_Pooling/config.json` says how tokens become one vector,
`config_sentence_transformers.json` what stands before queries and documents, `sentence_bert_config.json` how long
a text may be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from services.common.clients.encoder import TextRole
from services.encoder.backends.families.checkpoint import UnsupportedModelError

Pooling = Literal["cls", "mean", "last"]
Files = Callable[[str], Any]
"""Contents of a JSON file by its path; None if there is none."""

_POOLINGS: Mapping[str, Pooling] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "last",
}
_NEWER_POOLINGS: Mapping[str, Pooling] = {"cls": "cls", "mean": "mean", "lasttoken": "last"}
_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"
_KNOWN_PREFIXES = (
    # From the models' cards; their files do not say it.
    (r"e5-.*instruct$", f"Instruct: {_INSTRUCTION}\nQuery: ", ""),
    (r"(^|-)e5-", "query: ", "passage: "),
    (r"^bge-(small|base|large)-en", "Represent this sentence for searching relevant passages: ", ""),
    (r"^bge-(small|base|large)-zh", "为这个句子生成表示以用于检索相关文章：", ""),
)
_CLS_WITHOUT_FILES = re.compile(r"^(bge|gte-multilingual)-")


@dataclass(frozen=True)
class Layout:
    """How texts go in and one vector comes out.

    Attributes:
        pooling: From the tokens' vectors to one: that of the first token, the mean, that of the last token.
        prefixes: What stands before a text, by role.
        max_tokens: Special tokens and prefix included; None: the files do not say it.
        lower_case: Texts are made lower case first.
        dense: Folders of linear layers after the pooling.
    """

    pooling: Pooling
    prefixes: Mapping[TextRole, str]
    max_tokens: int | None = None
    lower_case: bool = False
    dense: tuple[str, ...] = ()


def read_layout(files: Files, name: str) -> Layout:
    """Read what the files say, and fill in what is known by name.

    Args:
        files: Of the model.
        name: Its hub id or the name of its folder.

    Raises:
        UnsupportedModelError: It has parts that are not known here.
    """
    word = name.rstrip("/").rsplit("/", 1)[-1].lower()
    modules = [
        (str(module["type"]).rsplit(".", 1)[-1], str(module["path"])) for module in files("modules.json") or ()
    ]
    unknown = {kind for kind, _ in modules} - {"Transformer", "Pooling", "Dense", "Normalize"}
    if unknown:
        raise UnsupportedModelError(f"its modules.json has {', '.join(sorted(unknown))}, which is not supported")
    poolings = [path for kind, path in modules if kind == "Pooling"]
    told = files("sentence_bert_config.json") or {}
    return Layout(
        pooling=_pooling(files(f"{poolings[0]}/config.json") or {}) if poolings else _pooling_by_name(word),
        prefixes=_prefixes(files("config_sentence_transformers.json") or {}, word),
        max_tokens=int(told["max_seq_length"]) if told.get("max_seq_length") else None,
        lower_case=bool(told.get("do_lower_case", False)),
        dense=tuple(path for kind, path in modules if kind == "Dense"),
    )


def _pooling(config: Mapping[str, Any]) -> Pooling:
    if not config.get("include_prompt", True):
        raise UnsupportedModelError("its pooling leaves the prefix out, which is not supported")
    if "pooling_mode" in config:
        modes = [config["pooling_mode"]]
    else:
        modes = [mode for mode, chosen in config.items() if mode.startswith("pooling_mode_") and chosen]
    known = {**_POOLINGS, **_NEWER_POOLINGS}
    if len(modes) != 1 or modes[0] not in known:
        raise UnsupportedModelError(
            f"its pooling is {' and '.join(map(str, modes)) or 'not named'}; supported are that of the first "
            "token, the mean and that of the last token"
        )
    return known[modes[0]]


def _pooling_by_name(word: str) -> Pooling:
    # A plain transformer is pooled by the mean, as sentence-transformers does it.
    return "cls" if _CLS_WITHOUT_FILES.search(word) else "mean"


def _prefixes(config: Mapping[str, Any], word: str) -> Mapping[TextRole, str]:
    prompts = config.get("prompts") or {}
    default = prompts.get(config.get("default_prompt_name") or "", "")
    query = prompts.get("query", default)
    passage = next((prompts[name] for name in ("document", "passage", "corpus") if name in prompts), default)
    if not query and not passage:
        query, passage = known_prefixes(word)
    return {TextRole.QUERY: query, TextRole.PASSAGE: passage}


def known_prefixes(word: str) -> tuple[str, str]:
    """What stands before queries and passages of models whose files do not say it.

    Args:
        word: The last part of the model's name, in lower case.
    """
    for pattern, query, passage in _KNOWN_PREFIXES:
        if re.search(pattern, word):
            return query, passage
    return "", ""
