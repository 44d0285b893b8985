"""Folders copied with their holes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.store.copying import copy_sparse


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
