from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.domain import Box, ItemKind, Media, Position
from services.common.index.index import Stored
from services.common.jobs.records import Job, JobSource, ManifestLine, Outcome
from workers.backoff import retry_wait_s
from workers.ingest.decision import Action, decide
from workers.ingest.items import NumberedLine, build_item, outcome_of
from workers.ingest.meanings import calls

JOB = Job("j", "default", 100, 9, datetime(2026, 1, 1, tzinfo=UTC), JobSource("upload"))
NOW = datetime(2026, 1, 2, tzinfo=UTC)
MEDIA = Media("ab" * 32, "image/jpeg", 4, 3)


@pytest.mark.parametrize(
    ("open_lines", "lines", "earlier", "action"),
    [
        ([], 64, 0, Action.SKIP),
        ([], 1, 9, Action.SKIP),
        ([1, 2], 64, 0, Action.WORK),
        ([1], 64, 1, Action.SPLIT),
        ([1], 1, 0, Action.WORK),
        ([1], 1, 3, Action.WORK),
        ([1], 1, 4, Action.GIVE_UP),
    ],
)
def test_a_message_is_worked_on_split_or_given_up(
    open_lines: list[int], lines: int, earlier: int, action: Action
) -> None:
    assert decide(open_lines, lines, earlier, max_attempts=4) is action


@given(max_attempts=st.integers(2, 9))
def test_a_line_that_always_kills_its_process_is_worked_on_as_often_as_allowed(max_attempts: int) -> None:
    tries = 0
    while decide([0], 64 if tries == 0 else 1, tries, max_attempts) in {Action.WORK, Action.SPLIT}:
        tries += 1
    assert tries == max_attempts


def test_the_same_bytes_are_one_item_unless_the_key_column_tells_them_apart() -> None:
    plain = build_item(JOB, NumberedLine(0, ManifestLine("a.jpg")), MEDIA, NOW)
    assert build_item(JOB, NumberedLine(0, ManifestLine("b.jpg", title="other words")), MEDIA, NOW).id == plain.id
    assert build_item(JOB, NumberedLine(0, ManifestLine("a.jpg", key_column="red")), MEDIA, NOW).id != plain.id
    assert build_item(JOB, NumberedLine(0, ManifestLine("a.jpg", key="sku")), MEDIA, NOW).key == "sku"


def test_texts_without_a_key_are_told_apart_by_their_words() -> None:
    first, second = (
        build_item(JOB, NumberedLine(0, ManifestLine("x", text=text)), None, NOW) for text in ("a", "b")
    )
    assert first.id != second.id
    assert first.kind is ItemKind.TEXT


@pytest.mark.parametrize(
    ("position", "media", "kind"),
    [
        (None, MEDIA, ItemKind.IMAGE),
        (Position(page=2), MEDIA, ItemKind.PAGE),
        (Position(page=2, box=Box(0, 0, 1, 0.5)), MEDIA, ItemKind.IMAGE),
        (Position(page=2, box=Box(0, 0, 1, 0.5)), None, ItemKind.TEXT),
        (Position(timestamp_s=0.0), MEDIA, ItemKind.MOMENT),
        (None, None, ItemKind.TEXT),
    ],
)
def test_the_kind_follows_from_what_a_line_has(
    position: Position | None, media: Media | None, kind: ItemKind
) -> None:
    assert (
        build_item(JOB, NumberedLine(0, ManifestLine("x", text="t", position=position)), media, NOW).kind is kind
    )


@pytest.mark.parametrize(
    ("stored", "outcome"),
    [
        (Stored(100, deleted=False, job_id="j", line=3), Outcome.STORED),
        (Stored(100, deleted=False, job_id="j", line=2), Outcome.MERGED),
        (Stored(101, deleted=False, job_id="k", line=3), Outcome.SUPERSEDED),
        (Stored(101, deleted=True), Outcome.SUPERSEDED),
        (Stored(100, deleted=True), Outcome.SUPERSEDED),
        (Stored(100, deleted=False, job_id="k", line=3), Outcome.SUPERSEDED),
        (Stored(99, deleted=False, job_id="i", line=3), None),
        (None, None),
    ],
)
def test_the_outcome_is_what_was_read_back(stored: Stored | None, outcome: Outcome | None) -> None:
    line = NumberedLine(3, ManifestLine("x", key="k"))
    found = outcome_of(line, build_item(JOB, line, MEDIA, NOW), stored, JOB)
    assert (found.outcome if found else None) is outcome


@given(sizes=st.lists(st.integers(0, 50), max_size=40), items=st.integers(1, 8), limit=st.integers(1, 60))
def test_calls_cover_all_pictures_in_order_within_the_limits(sizes: list[int], items: int, limit: int) -> None:
    cut = list(calls(sizes, items, limit))
    assert [index for part in cut for index in part] == list(range(len(sizes)))
    for part in cut:
        assert 1 <= len(part) <= items
        assert len(part) == 1 or sum(sizes[index] for index in part) <= limit


@given(
    retries=st.integers(0, 1000),
    base=st.floats(0.1, 5),
    cap=st.floats(5, 60),
    spread=st.floats(0, 1, exclude_max=True),
    asked=st.none() | st.floats(0, 1000),
)
def test_waits_grow_and_stay_below_the_cap(
    retries: int, base: float, cap: float, spread: float, asked: float | None
) -> None:
    wait_s = retry_wait_s(retries, base, cap, spread, asked)
    assert base / 2 <= wait_s <= cap
    assert wait_s >= min(cap, asked or 0)
    assert retry_wait_s(retries + 1, base, cap, spread) >= retry_wait_s(retries, base, cap, spread)
