"""Files that are replaced whole, and folders copied with their holes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.store.durable import copy_sparse, make_folder, remove_durably, write_durably


def test_content_is_replaced_and_no_other_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for content in (b"old", b"new and longer", b""):
        write_durably(path, content)
        assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_failed_write_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_durably(path, b"old")
    (tmp_path / "a.json.part").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_durably(path, b"new")
    assert path.read_bytes() == b"old"


def test_folders_and_removal(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    write_durably(tmp_path / "a" / "b" / "c", b"x")
    remove_durably(tmp_path / "a" / "b" / "c")
    assert not os.listdir(tmp_path / "a" / "b")


@settings(max_examples=30, deadline=None)
@given(
    pieces=st.lists(st.tuples(st.integers(0, 300), st.binary(max_size=10)), max_size=5),
    size=st.integers(0, 1 << 21),
)
def test_copies_are_equal_with_holes_anywhere(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[int, bytes]], size: int
) -> None:
    folder = tmp_path_factory.mktemp("sparse")
    (folder / "from" / "inner").mkdir(parents=True)
    with (folder / "from" / "inner" / "file").open("wb") as file:
        for block, content in pieces:
            file.seek(block * 4096)
            file.write(content)
        file.truncate(size)
    copy_sparse(folder / "from", folder / "to")
    assert (folder / "to" / "inner" / "file").read_bytes() == (folder / "from" / "inner" / "file").read_bytes()


def test_holes_stay_holes(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    with (tmp_path / "from" / "file").open("wb") as file:
        file.truncate(64 << 20)
        file.write(b"x" * 5000)
    copy_sparse(tmp_path / "from", tmp_path / "to")
    copied = (tmp_path / "to" / "file").stat()
    assert copied.st_size == 64 << 20
    assert copied.st_blocks * 512 < 1 << 20
