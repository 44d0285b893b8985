"""The words that pictures may be labelled with."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from services.common.settings import SettingsError

MOST_LABELS = 5_000
_LONGEST_CHARS = 80
_SHIPPED = "everyday_things.txt"
_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")


def load_vocabulary(path: Path | None) -> tuple[str, ...]:
    """Read a list of labels: one a line; empty lines and lines that begin with `#` are left out.

    Args:
        path: The file, UTF-8; None: the one that ships.

    Raises:
        SettingsError: It cannot be read, or holds no labels, too many or too long ones.
    """
    if path is None:
        return parse(files(__package__).joinpath(_SHIPPED).read_text(encoding="utf-8"))
    try:
        labels = parse(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise SettingsError(f"IMAGERAG_WORKERS_TAGS_PATH: {path} cannot be read: {reason}") from None
    long = next((label for label in labels if len(label) > _LONGEST_CHARS), None)
    if long is not None:
        raise SettingsError(
            f"IMAGERAG_WORKERS_TAGS_PATH: {long[:_LONGEST_CHARS]!r} is longer than {_LONGEST_CHARS} characters: "
            "write one label a line"
        )
    if not 2 <= len(labels) <= MOST_LABELS:
        raise SettingsError(
            f"IMAGERAG_WORKERS_TAGS_PATH: {path} holds {len(labels)} labels; write 2 to {MOST_LABELS}"
        )
    return labels


def parse(text: str) -> tuple[str, ...]:
    """The labels of a file's text, each once, in order."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def as_query(label: str) -> str:
    """What is compared with a picture: models of the joint space know pictures by their captions, not by a word.

    Source: Radford et al., 2021, section 3.1.4 ("a photo of a {label}").
    """
    return f"一张{label}的照片" if _CHINESE.search(label) else f"a photo of a {label}"
