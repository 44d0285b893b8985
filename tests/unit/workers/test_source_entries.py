"""What lies in folders besides files: each is told with the reason, and none keeps the others out."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.media.store import MediaStore
from services.common.objects import open_objects
from workers.sources.auto import AutoSource
from workers.sources.folder import FolderSource
from workers.sources.source import Source, SourceTools

JPEG = b"\xff\xd8\xff\xe0" + bytes(40)
NOBODY = 65534
DEPTH = 1200


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that another user may enter as well; its path is short enough for a socket."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def readers(folder: Path, root: Path | None = None) -> list[Source]:
    """Both that go through folders."""
    roots = [root or folder]
    tools = SourceTools(MediaStore(open_objects("memory://entries")), "t", roots)
    return [FolderSource(str(folder), roots), AutoSource(str(folder), tools, {})]


def told(source: Source, after: str = "") -> list[tuple[str, str]]:
    """Names, and how the reason begins."""
    return [
        (each.line.name, " ".join(each.error.message.split()[:4]) if each.error else "")
        for each in source.lines(after)
    ]


def test_links_pipes_and_sockets_are_told(folder: Path) -> None:
    (folder / "in" / "real").mkdir(parents=True)
    (folder / "in" / "a.jpg").write_bytes(JPEG)
    (folder / "in" / "b.jpg").symlink_to("a.jpg")
    (folder / "in" / "c.jpg").symlink_to("not there")
    (folder / "in" / "d").symlink_to("real")
    os.mkfifo(folder / "in" / "e.jpg")
    (folder / "in" / "f.jpg").symlink_to("f.jpg")
    (folder / "in" / "g.jpg").symlink_to("/etc/hostname")
    (folder / "in" / "real" / "h.jpg").write_bytes(JPEG)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "in" / "s.jpg"))
        for source in readers(folder / "in"):
            found = dict(told(source))
            assert found.pop("f.jpg"), "a link to itself has a reason"
            assert list(found.items()) == [
                ("a.jpg", ""),
                ("b.jpg", ""),
                ("c.jpg", "This is a link"),
                ("d", "This is a link"),
                ("e.jpg", "This is a pipe,"),
                ("g.jpg", _outside(folder)),
                ("real/h.jpg", ""),
                ("s.jpg", "This is a pipe,"),
            ]


def _outside(folder: Path) -> str:
    return f"'{folder / 'in' / 'g.jpg'}' is outside the"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user and back")
def test_what_the_workers_may_not_read_is_told(folder: Path) -> None:
    for name in ("closed", "open"):
        (folder / name).mkdir()
        (folder / name / "a.jpg").write_bytes(JPEG)
    (folder / "closed").chmod(0o700)
    (folder / "z").write_bytes(JPEG)
    (folder / "z").chmod(0o600)
    sources = readers(folder)
    os.seteuid(NOBODY)
    try:
        found = [told(source) for source in sources]
        behind = [told(source, cursor) for source in sources for cursor in _cursors(source)[:1]]
    finally:
        os.seteuid(0)
    by_name, by_content = found
    assert by_name == [("closed", "The workers cannot read"), ("open/a.jpg", ""), ("z", "")]
    assert by_content == [
        ("closed", "The workers cannot read"),
        ("open/a.jpg", ""),
        ("z", "The server cannot read"),
    ]
    assert behind == [by_name[1:], by_content[1:]], "a folder that was told is not told again"


def _cursors(source: Source) -> list[str]:
    return [each.cursor for each in source.lines("")]


def test_folders_as_deep_as_a_path_can_be(folder: Path) -> None:
    made = [folder]
    for _ in range(DEPTH):
        made.append(made[-1] / "d")
        made[-1].mkdir()
    (made[-1] / "a.jpg").write_bytes(JPEG)
    try:
        for source in readers(folder):
            assert told(source) == [("d/" * DEPTH + "a.jpg", "")]
    finally:
        (made[-1] / "a.jpg").unlink()
        for path in reversed(made[1:]):
            path.rmdir()
