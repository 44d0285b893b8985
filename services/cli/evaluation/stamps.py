"""The data set: objects of Debian's `tuxpaint-stamps-default`, each with a description and a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path, PurePosixPath

import numpy as np

ROOT = PurePosixPath("usr/share/tuxpaint/stamps")
"""Where the package keeps its pictures."""
_CHINESE = "zh_CN.utf8="
_COPIES = ("_mirror", "_flip")
"""Ends of the names of pictures that show another picture once more."""
_WORD = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True)
class Stamp:
    """A picture of one object.

    Attributes:
        key: Path below the stamps' root without its ending, e.g. "animals/birds/magpie".
        path: The PNG file.
        english: Description, never empty.
        chinese: The same in simplified Chinese; empty where nobody has translated it.
    """

    key: str
    path: Path
    english: str
    chinese: str

    @property
    def folder(self) -> str:
        """The folder that holds it, e.g. "animals/birds"."""
        return self.key.rpartition("/")[0]

    def category(self, levels: int) -> str:
        """The first `levels` folders."""
        return "/".join(self.folder.split("/")[:levels])

    @property
    def words(self) -> str:
        """The words of its folders and its file name: "animals birds magpie"."""
        return " ".join(word.lower() for word in _WORD.findall(self.key))


def read_stamps(folder: Path) -> list[Stamp]:
    """The data set in an unpacked package, ordered by key.

    It is every `*.png` whose name does not end in `_mirror` or `_flip`, not below `symbols`, with a `.txt` whose
    first line is not empty: 538 of version 2022.06.04.

    Args:
        folder: Where the package was unpacked, or any folder on the way to its pictures.
    """
    root = _root(folder)
    found = (_stamp(path, root) for path in root.rglob("*.png"))
    return sorted((stamp for stamp in found if stamp is not None), key=attrgetter("key"))


def sample(stamps: list[Stamp], count: int | None, *, seed: int) -> list[Stamp]:
    """`count` of them by chance, in their order; all of them for None."""
    if count is None or count >= len(stamps):
        return stamps
    chosen = np.random.default_rng(seed).choice(len(stamps), size=count, replace=False)
    return [stamps[index] for index in sorted(chosen)]


def _root(folder: Path) -> Path:
    below = folder / ROOT
    return below if below.is_dir() else folder


def _stamp(path: Path, root: Path) -> Stamp | None:
    relative = path.relative_to(root).with_suffix("")
    if relative.name.endswith(_COPIES) or "symbols" in relative.parts:
        return None
    described = path.with_suffix(".txt")
    if not described.is_file():
        return None
    english, chinese = descriptions(described.read_text(encoding="utf-8", errors="replace"))
    return Stamp(relative.as_posix(), path, english, chinese) if english else None


def descriptions(text: str) -> tuple[str, str]:
    """The English and the Chinese description of a stamp's `.txt`; empty where there is none."""
    lines = text.splitlines()
    english = lines[0].strip() if lines else ""
    translated = (line.removeprefix(_CHINESE).strip() for line in lines if line.startswith(_CHINESE))
    return english, next(translated, "")
