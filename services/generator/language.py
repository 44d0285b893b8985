"""Which language a question is written in, by its script."""

from __future__ import annotations

import unicodedata
from enum import StrEnum

_HAN_WEIGHT = 4
"""One Chinese character says about as much as four Latin letters: "AM4 主板" is a Chinese question."""


class Language(StrEnum):
    """The languages that answers tell apart."""

    EN = "en"
    ZH = "zh"
    OTHER = "other"


def question_language(text: str) -> Language:
    """English for Latin letters and for no letters at all, Chinese for Han, else other.

    Japanese and Korean write Han characters too; a single kana or Hangul letter tells them apart. Languages that
    share the Latin script are not told apart.
    """
    scripts = [_script(character) for character in text if character.isalpha()]
    if not scripts:
        return Language.EN
    latin, han = scripts.count("LATIN"), scripts.count("CJK")
    if {"HIRAGANA", "KATAKANA", "HANGUL"} & set(scripts):
        return Language.OTHER
    if han * _HAN_WEIGHT >= latin and han * _HAN_WEIGHT >= len(scripts) - han:
        return Language.ZH
    return Language.EN if latin * 2 >= len(scripts) else Language.OTHER


def answer_language(requested: str, question: str) -> Language:
    """The language to answer in.

    Args:
        requested: BCP 47, e.g. "zh-Hans"; empty: the question's language.
        question: Read only if nothing was requested.
    """
    primary = requested.replace("_", "-").split("-", 1)[0].strip().lower()
    if not primary:
        return question_language(question)
    return Language(primary) if primary in {Language.EN, Language.ZH} else Language.OTHER


def _script(character: str) -> str:
    # A compatibility form ("Ａ") belongs to the script of its plain one.
    plain = unicodedata.normalize("NFKC", character)[0]
    return unicodedata.name(plain, "UNKNOWN").split(" ", 1)[0].split("-", 1)[0]
