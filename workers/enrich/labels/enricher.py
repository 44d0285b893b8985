"""Labels as an enrichment: the joint encoder compares each picture with a list of words.

The vector of a picture is the one that ingest needs as well: where there is a cache of embeddings it is made once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.common.clients.encoder import Lane
from services.common.domain import Vector
from services.common.errors import FingerprintMismatchError, ImageragError
from workers.enrich.enrichment import Enrichment, SeenPicture
from workers.enrich.labels.words import Encoder, Vocabulary, Words
from workers.enrich.labels.zero_shot import LabelRule, fitting_labels

NAME = "tags"
_MAX_CALL_BYTES = 32 * 1024 * 1024
"""Half of what one gRPC message may hold; a single picture may be as large."""


class LabelEnricher:
    """See `workers.enrich.enrichment.Enricher`. Belongs to one event loop.

    Args:
        encoder: Of the joint space.
        labels: The words, at least two.
        rule: When a word is given.
    """

    def __init__(self, encoder: Encoder, labels: Sequence[str], rule: LabelRule) -> None:
        self._encoder, self._rule = encoder, rule
        self._vocabulary = Vocabulary(encoder, labels)

    async def enrich(self, pictures: Sequence[SeenPicture]) -> list[Enrichment | ImageragError]:
        """Labels for each picture, in order; none where nothing of the vocabulary stands out.

        Raises:
            ImageragError: The encoder cannot work now.
        """
        try:
            return await self._labelled(pictures)
        except FingerprintMismatchError:
            self._vocabulary.forget()
            return await self._labelled(pictures)

    async def _labelled(self, pictures: Sequence[SeenPicture]) -> list[Enrichment | ImageragError]:
        words = await self._vocabulary.words()
        found: list[Enrichment | ImageragError] = []
        for some in _calls(pictures, words.max_call_items):
            vectors = await self._encoder.encode_images(
                [picture.data for picture in some], lane=Lane.BULK, expected_fingerprint=words.fingerprint
            )
            found.extend(self._named(vector, words) for vector in vectors)
        return found

    def _named(self, vector: Vector | ImageragError, words: Words) -> Enrichment | ImageragError:
        if isinstance(vector, ImageragError):
            return vector
        fitting = fitting_labels(vector, words.rows, words.floor, self._rule)
        return Enrichment(labels=tuple(words.labels[index] for index in fitting))


def _calls(pictures: Sequence[SeenPicture], max_items: int) -> Iterator[Sequence[SeenPicture]]:
    """Pictures in groups that one call may hold, in order."""
    group: list[SeenPicture] = []
    size = 0
    for picture in pictures:
        if group and (len(group) == max_items or size + len(picture.data) > _MAX_CALL_BYTES):
            yield group
            group, size = [], 0
        group.append(picture)
        size += len(picture.data)
    if group:
        yield group
