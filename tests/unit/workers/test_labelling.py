"""The stage behind the encoder: labels for items with pictures, and a mark where they could not be given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest

from services.common.clients.encoder import EncoderDescription, Lane, TextRole
from services.common.domain import Direction, Item, ItemKind, Vector
from services.common.errors import FingerprintMismatchError, ImageragError, UnavailableError
from services.common.jobs.records import JobOptions, ManifestLine
from workers.enrich.labels.labeller import ZeroShotLabeller
from workers.enrich.labels.vocabulary import as_query
from workers.ingest.items import NumberedLine
from workers.ingest.labelling import Labelling
from workers.ingest.reading import Taken
from workers.ingest.vectors import Encoding, JointVectors

WORDS = tuple(f"word{number}" for number in range(40))
TAGS = JobOptions(tags=True)


class OneDirectionEach:
    """An encoder in whose space every word has a direction of its own."""

    def __init__(self, fingerprint: str = "a@1", *, is_away: bool = False) -> None:
        self.fingerprint, self.is_away, self.calls = fingerprint, is_away, 0

    async def describe(self) -> EncoderDescription:
        return EncoderDescription(
            "words",
            self.fingerprint,
            len(WORDS),
            16,
            {Direction.TEXT_TO_IMAGE: 0.2},
            text_is_sentence_space=False,
            notice="",
        )

    async def encode_texts(
        self, texts: Sequence[str], *, role: TextRole, lane: Lane, expected_fingerprint: str
    ) -> list[Vector | ImageragError]:
        if self.is_away:
            raise UnavailableError("away")
        if expected_fingerprint != self.fingerprint:
            raise FingerprintMismatchError.between(expected_fingerprint, self.fingerprint)
        self.calls += 1
        queries = [as_query(word) for word in WORDS]
        return [direction(queries.index(text)) for text in texts]


def direction(number: int) -> Vector:
    row: Vector = np.eye(len(WORDS), dtype=np.float32)[number]
    return row


def line(number: int, vectors: JointVectors | ImageragError) -> Encoding:
    item = Item(f"i{number}", "acme", ItemKind.IMAGE, 1, datetime(2026, 1, 1, tzinfo=UTC), incomplete=("ocr",))
    return Encoding(Taken(NumberedLine(number, ManifestLine("x")), item, None), vectors)


def labelling(encoder: OneDirectionEach) -> Labelling:
    return Labelling(ZeroShotLabeller(encoder, WORDS, limit=3))


LINES = [
    line(0, JointVectors(image=direction(7))),
    line(1, JointVectors(text=direction(3))),
    line(2, UnavailableError("no vector")),
    line(3, JointVectors(image=direction(9), text=direction(3))),
]


def labels_of(encodings: Sequence[Encoding]) -> list[tuple[str, ...]]:
    return [each.taken.item.labels for each in encodings]


async def test_pictures_get_labels_and_other_lines_stay() -> None:
    found = await labelling(OneDirectionEach()).labelled(TAGS, LINES, "a@1")
    assert labels_of(found) == [("word7",), (), (), ("word9",)]
    assert [each.vectors for each in found] == [each.vectors for each in LINES]
    assert {each.taken.item.incomplete for each in found} == {("ocr",)}


async def test_a_job_that_does_not_ask_costs_nothing() -> None:
    encoder = OneDirectionEach()
    assert await labelling(encoder).labelled(JobOptions(), LINES, "a@1") is LINES
    assert await labelling(encoder).labelled(TAGS, LINES[1:3], "a@1") == LINES[1:3]
    assert encoder.calls == 0


async def test_the_words_are_encoded_once_for_each_model() -> None:
    encoder = OneDirectionEach()
    stage = labelling(encoder)
    for _ in range(3):
        await stage.labelled(TAGS, LINES, "a@1")
    assert encoder.calls == 3, "forty words in calls of sixteen"
    encoder.fingerprint = "b@1"
    assert labels_of(await stage.labelled(TAGS, LINES, "b@1"))[0] == ("word7",)
    assert encoder.calls == 6


@pytest.mark.parametrize("encoder", [OneDirectionEach(is_away=True), OneDirectionEach("other@1")])
async def test_an_encoder_that_cannot_help_marks_the_pictures(encoder: OneDirectionEach) -> None:
    found = await labelling(encoder).labelled(TAGS, LINES, "a@1")
    assert labels_of(found) == [()] * 4
    assert [each.taken.item.incomplete for each in found] == [("ocr", "tags"), ("ocr",), ("ocr",), ("ocr", "tags")]
