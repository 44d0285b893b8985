"""What there is to ingest under a path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.errors import CliError
from services.cli.ingestion.entries import Entry, chunks, gather, read_manifest, size_bytes

NAMES = ("b.JPG", "a.png", "sub/c.webp", ".hidden/d.jpg", ".e.jpg", "notes.txt", "sub/Thumbs.db", "__MACOSX/x.png")


def test_a_folder_gives_its_files_in_a_stable_order(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.jpg").mkdir()
    entries, failures = gather(tmp_path)
    assert [entry.name for entry in entries] == ["a.png", "b.JPG", "notes.txt", "sub/c.webp"]
    assert {entry.role for entry in entries} == {"member"}
    assert entries[3].fields == {"title": "c.webp", "source_uri": "sub/c.webp"}
    assert failures == []
    pictures, _ = gather(tmp_path, only_pictures=True)
    assert [entry.name for entry in pictures] == ["a.png", "b.JPG", "sub/c.webp"]


def test_without_names_nothing_is_stored_beside_the_pixels(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"x")
    assert gather(tmp_path, with_names=False)[0][0].fields == {}
    assert gather(tmp_path / "cat.jpg", with_names=False)[0] == [
        Entry("cat.jpg", tmp_path / "cat.jpg", {}, "file")
    ]


def test_a_path_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="There is no file or folder"):
        gather(tmp_path / "nothing")


def test_a_manifest_names_pictures_relative_to_itself(tmp_path: Path) -> None:
    manifest = tmp_path / "items.jsonl"
    lines = [{"path": "x/dress.jpg", "key": "sku-1", "metadata": {"price": 299}}, {"text": "only words"}]
    manifest.write_text("\n\n".join(map(json.dumps, lines)), encoding="utf-8")
    entries, failures = gather(manifest)
    assert entries == [
        Entry("x/dress.jpg", tmp_path / "x/dress.jpg", {"key": "sku-1", "metadata": {"price": 299}}),
        Entry("line 3", None, {"text": "only words"}),
    ]
    assert failures == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"price": 3}', "'price'"),
        ('{"path": 3}', "must be a string"),
    ],
)
def test_a_bad_line_fails_alone(line: str, reason: str, tmp_path: Path) -> None:
    entries, failures = read_manifest(['{"text": "good"}', line], tmp_path)
    assert len(entries) == 1
    assert [failure.name for failure in failures] == ["line 2"]
    assert reason in failures[0].message


@given(st.lists(st.text(max_size=30)))
def test_any_lines_become_entries_or_failures(lines: list[str]) -> None:
    entries, failures = read_manifest(lines, Path())
    assert len(entries) + len(failures) == sum(bool(line.strip()) for line in lines)


def test_sizes_add_up_and_what_is_gone_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    entries = [Entry("a", tmp_path / "a"), Entry("words"), Entry("gone", tmp_path / "gone")]
    assert size_bytes(entries) == 3


@given(st.integers(0, 30), st.integers(1, 7))
def test_chunks_keep_everything_in_order(count: int, size: int) -> None:
    entries = [Entry(str(number)) for number in range(count)]
    found = list(chunks(entries, size))
    assert [entry for chunk in found for entry in chunk] == entries
    assert all(0 < len(chunk) <= size for chunk in found)
