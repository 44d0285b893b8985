"""The course of the demonstration against a running cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from services.cli.demo.checks import ANSWERS, PICTURES, WORDS, Finding, Question, judge_answer, judge_search
from services.cli.demo.photos import Photo
from services.cli.demo.pictures import changed_copy
from services.cli.errors import CliError
from services.cli.ingestion.entries import Entry
from services.cli.ingestion.following import Totals
from services.cli.ingestion.service import ingest
from services.cli.rest.client import RestClient

_CANDIDATES = 5
Stage = Callable[[str], None]


@dataclass(frozen=True)
class Findings:
    """Everything that was found."""

    words: tuple[Finding, ...]
    pictures: tuple[Finding, ...]
    answers: tuple[Finding, ...]

    def wrong(self) -> list[Finding]:
        """What is not as it must be."""
        return [finding for finding in (*self.words, *self.pictures, *self.answers) if finding.wrong]


class Demonstration:
    """Ingests the photos twice and asks.

    Args:
        client: Of the cluster; with patience.
        photos: What to show.
        stage: Told of every step.
    """

    def __init__(self, client: RestClient, photos: Sequence[Photo], stage: Stage) -> None:
        self._client, self._photos, self._stage = client, photos, stage

    def run(self) -> Findings:
        """Go through the demonstration.

        Raises:
            CliError: A photo could not be stored, or the cluster failed.
        """
        self._stage(f"Storing {len(self._photos)} photos through the queue: pixels alone, no name and no text")
        self._store(Entry(photo.key, photo.path, {"key": photo.key}) for photo in self._photos)
        words = tuple(self._search(question, {"text": question.asked}, None) for question in WORDS)
        pictures = tuple(self._search(question, {}, self._changed(question)) for question in PICTURES)
        self._stage("Storing our captions under the same keys, then asking")
        self._store(
            Entry(photo.key, photo.path, {"key": photo.key, "title": photo.title, "text": photo.text})
            for photo in self._photos
        )
        return Findings(words, pictures, tuple(self._ask(question) for question in ANSWERS))

    def title_of(self, key: str) -> str:
        """Our name of a photo, by its key."""
        return next((photo.title for photo in self._photos if photo.key == key), key)

    def _store(self, entries: Iterator[Entry]) -> None:
        report = ingest(self._client, list(entries), uploaded=_ignore, progressed=_ignore_totals)
        if report.failures:
            first = report.failures[0]
            raise CliError(f"{len(report.failures)} photos were not stored: {first.name}: {first.message}")

    def _search(self, question: Question, query: dict[str, object], picture: bytes | None) -> Finding:
        answer = self._client.search({**query, "limit": _CANDIDATES}, picture)
        return judge_search(question, self._keys(question), answer)

    def _ask(self, question: Question) -> Finding:
        answer = self._client.ask({"question": question.asked, "limit": _CANDIDATES})
        keys = self._keys(question)
        expected = {hit["item"]["id"] for hit in answer["hits"] if hit["item"]["key"] in keys}
        return judge_answer(question, expected, answer)

    def _keys(self, question: Question) -> set[str]:
        return {photo.key for photo in self._photos if photo.path.name in question.expected}

    def _changed(self, question: Question) -> bytes:
        return changed_copy(next(photo.path for photo in self._photos if photo.path.name == question.asked))


def _ignore() -> None:
    return


def _ignore_totals(totals: Totals) -> None:
    return
