"""How Chinese a text is. Sentence embeddings keep a trace of the language, which is noise across languages."""

from __future__ import annotations


def chinese_share(text: str) -> float:
    """Share of Chinese characters among the letters of `text`, 0 to 1; 0 without letters."""
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return 0.0
    return sum(map(_is_chinese, letters)) / len(letters)


def _is_chinese(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff" or "\U00020000" <= character <= "\U0003134f"
