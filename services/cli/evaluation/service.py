"""The use case: put the stamps in, ask, judge; once as pixels alone and once with text for a half."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Protocol

from services.cli.errors import CliError
from services.cli.evaluation import composed, mixed, pixels, sweep
from services.cli.evaluation.judging import Relevant, same_description
from services.cli.evaluation.questions import KEY_PREFIX, Answer, Options, Question, ask
from services.cli.evaluation.results import Check, Report, Table
from services.cli.evaluation.stamps import Stamp
from services.cli.ingestion.entries import Entry
from services.cli.ingestion.following import Totals
from services.cli.ingestion.service import ingest
from services.cli.rest.client import RestClient
from services.common.index.ids import item_id

WHOLE_DATA_SET = 538
_ENGLISH, _CHINESE = "English", "Chinese"
Advance = Callable[[], None]


class Progress(Protocol):
    """Shows how far the evaluation is."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """A bar of `total` steps; it is given back to be called after each."""


class Evaluation:
    """Both protocols on one cluster.

    Args:
        client: Of the cluster; with patience.
        stamps: The data set, or a part of it.
        progress: Told of every step.
    """

    def __init__(self, client: RestClient, stamps: Sequence[Stamp], progress: Progress) -> None:
        self._client, self._stamps, self._progress = client, stamps, progress
        self._tables: list[Table] = []
        self._checks: list[Callable[[], list[Check]]] = []
        self._took_s: dict[str, float] = {}

    def run(self, *, with_sweep: bool) -> Report:
        """Measure everything.

        Args:
            with_sweep: Also try out other fusions.

        Raises:
            CliError: An item could not be stored, or the cluster failed.
        """
        info = self._client.info()
        with self._timed("pixels"):
            self._pixels()
        with self._timed("mixed"):
            self._mixed(with_sweep=with_sweep)
        whole = len(self._stamps) == WHOLE_DATA_SET
        chinese = sum(1 for stamp in self._stamps if stamp.chinese)
        return Report(
            system={"url": self._client.url, "version": info["version"], "model": info["model"]},
            data_set={"name": "tuxpaint-stamps-default", "items": len(self._stamps), "chinese": chinese},
            tables=tuple(self._tables),
            checks=tuple(check for checks in self._checks for check in checks()) if whole else (),
            took_s=self._took_s,
        )

    def clean_up(self) -> None:
        """Delete what the evaluation stored, for a cluster that goes on."""
        tenant = str(self._client.info()["tenant"])
        with self._progress.stage("Deleting", len(self._stamps)) as advance:
            for stamp in self._stamps:
                _delete(self._client, item_id(tenant, KEY_PREFIX + stamp.key))
                advance()

    def _pixels(self) -> None:
        self._ingest("Pixels: storing pictures", pixels.entries(self._stamps))
        english = self._ask("Pixels: English", pixels.english(self._stamps), pixels.WORDS)
        chinese = self._ask("Pixels: Chinese", pixels.chinese(self._stamps), pixels.WORDS)
        pictures = self._ask("Pixels: pictures", pixels.pictures(self._stamps), pixels.PICTURES)
        words_table = pixels.words_table(self._stamps, english, chinese)
        pictures_table = pixels.pictures_table(self._stamps, pictures)
        self._tables += [words_table, pictures_table]
        self._checks.append(partial(pixels.checks, words_table, pictures_table))

    def _mixed(self, *, with_sweep: bool) -> None:
        texted = mixed.texted_half(self._stamps)
        self._ingest("Mixed: storing pictures and titles", mixed.entries(self._stamps, texted))
        questions = {_ENGLISH: pixels.english(self._stamps), _CHINESE: pixels.chinese(self._stamps)}
        relevant = {
            _ENGLISH: same_description(self._stamps, pixels.english_of),
            _CHINESE: same_description(self._stamps, pixels.chinese_of),
        }
        for language, asked in questions.items():
            if asked:
                self._mixed_language(language, asked, relevant[language], texted)
        self._composed()
        if with_sweep:
            self._sweep(questions, relevant, texted)

    def _mixed_language(
        self, language: str, questions: Sequence[Question], relevant: Relevant, texted: frozenset[str]
    ) -> None:
        answers = {
            way: self._ask(f"Mixed: {language}, {way}", questions, options) for way, options in mixed.WAYS.items()
        }
        found = mixed.table(f"mixed_{language.lower()}", language, answers, relevant, texted)
        self._tables.append(found)
        self._checks.append(partial(mixed.checks, language, found))

    def _composed(self) -> None:
        pairs = composed.pairs(self._stamps)
        if not pairs:
            return
        both = self._ask("Composed: picture and words", [pair.question for pair in pairs], Options())
        words = [Question(pair.described.key, pair.described.english) for pair in pairs]
        self._tables.append(composed.table(pairs, both, self._ask("Composed: words alone", words, Options())))

    def _sweep(
        self, questions: Mapping[str, Sequence[Question]], relevant: dict[str, Relevant], texted: frozenset[str]
    ) -> None:
        drawn = {language: sweep.draw(asked) for language, asked in questions.items() if asked}
        settings = list(sweep.settings())
        rows = []
        with self._progress.stage("Sweep", len(settings) * sum(map(len, drawn.values()))) as advance:
            for setting in settings:
                answers = {
                    language: ask(self._client, asked, setting.options, advance)
                    for language, asked in drawn.items()
                }
                rows.append(sweep.row(setting, answers, relevant, texted))
        self._tables.append(sweep.table(rows))

    def _ask(self, stage: str, questions: Sequence[Question], options: Options) -> list[Answer]:
        with self._progress.stage(stage, len(questions)) as advance:
            return ask(self._client, questions, options, advance)

    def _ingest(self, stage: str, entries: list[Entry]) -> None:
        with self._progress.stage(stage, 2 * len(entries)) as advance:
            settled = 0

            def progressed(totals: Totals) -> None:
                nonlocal settled
                for _ in range(totals.settled - settled):
                    advance()
                settled = max(settled, totals.settled)

            report = ingest(self._client, entries, uploaded=advance, progressed=progressed)
        if report.failures:
            first = report.failures[0]
            raise CliError(
                f"{len(report.failures)} of {len(entries)} stamps were not stored: {first.name}: {first.message}",
                "The figures would not be those of the data set. `imagerag jobs failures` lists the reasons.",
                code="not_stored",
            )

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._took_s[stage] = time.perf_counter() - started


def _delete(client: RestClient, stored_id: str) -> None:
    try:
        client.delete_item(stored_id)
    except CliError as error:
        if error.code != "not_found":
            raise
