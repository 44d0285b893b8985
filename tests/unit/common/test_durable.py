"""Files that are replaced whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.common.durable import make_folder, remove_durably, write_durably


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
