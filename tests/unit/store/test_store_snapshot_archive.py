"""Snapshot files: what goes in comes out, holes included, and nothing gets out of the folder."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.errors import InvalidRequestError
from services.store.description import Description
from services.store.snapshots.archive import (
    Header,
    StoppedError,
    read_header,
    unpack_shard,
    write_archive,
)

HEADER = Header(points=3, description=Description("shop", "2026-01-01T00:00:00+00:00", "shard-1", {"vectors": {}}))
LIMIT = 1 << 30
SPARSE_FILES = st.dictionaries(
    st.text("abcdefghij", min_size=1, max_size=120),
    st.tuples(
        st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=9000)), max_size=4), st.integers(0, 9)
    ),
    max_size=4,
)


def archive_of(shard: Path, target: Path) -> str:
    return write_archive(shard, HEADER, target, threading.Event())


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    folder = tmp_path / "shard-1"
    (folder / "segments" / "one").mkdir(parents=True)
    (folder / "segments" / "empty").mkdir()
    (folder / "segments" / "one" / "data").write_bytes(bytes(range(256)) * 40)
    with (folder / "log").open("wb") as log:
        log.write(b"begin")
        log.truncate(32 << 20)
    return folder


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")
    }


@given(files=SPARSE_FILES)
@settings(max_examples=60, deadline=None)
def test_files_with_holes_come_out_as_they_went_in(files: dict[str, tuple[list[tuple[int, bytes]], int]]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        shard, back = Path(temporary) / "in", Path(temporary) / "out"
        shard.mkdir()
        for name, (stretches, tail) in files.items():
            with (shard / name).open("wb") as file:
                for offset, data in stretches:
                    file.seek(offset)
                    file.write(data)
                file.seek(0, 2)
                file.truncate(file.tell() + tail * 5000)
        archive_of(shard, Path(temporary) / "archive")
        unpack_shard(Path(temporary) / "archive", back, LIMIT)
        assert contents(back) == contents(shard)


def test_holes_take_no_room(shard: Path, tmp_path: Path) -> None:
    archive_of(shard, tmp_path / "archive")
    assert (tmp_path / "archive").stat().st_size < 100_000
    unpack_shard(tmp_path / "archive", tmp_path / "back", LIMIT)
    assert (tmp_path / "back" / "log").stat().st_blocks * 512 < 100_000
    assert contents(tmp_path / "back") == contents(shard)


def test_the_description_comes_first(shard: Path, tmp_path: Path) -> None:
    archive_of(shard, tmp_path / "archive")
    assert read_header(tmp_path / "archive") == HEADER


def test_tar_itself_reads_it(shard: Path, tmp_path: Path) -> None:
    if shutil.which("tar") is None or b"GNU" not in subprocess.check_output(["tar", "--version"]):
        pytest.skip("no GNU tar")
    archive_of(shard, tmp_path / "archive")
    subprocess.run(["tar", "xf", tmp_path / "archive", "-C", tmp_path], check=True)
    assert contents(tmp_path / "shard") == contents(shard)


def test_writing_can_be_stopped(shard: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        write_archive(shard, HEADER, tmp_path / "archive", stop)


def test_what_was_cut_off_is_refused_wherever_it_was(shard: Path, tmp_path: Path) -> None:
    archive_of(shard, tmp_path / "archive")
    whole = (tmp_path / "archive").read_bytes()
    end = whole.rindex(b"snapshot.end")
    for length in [0, 1, 511, *range(512, end, 1024)]:
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(InvalidRequestError):
            unpack_shard(tmp_path / "cut", tmp_path / f"cut-{length}", LIMIT)


def test_an_unknown_format_is_named(shard: Path, tmp_path: Path) -> None:
    write_archive(shard, replace(HEADER, format=2), tmp_path / "archive", threading.Event())
    with pytest.raises(InvalidRequestError, match="format 2"):
        read_header(tmp_path / "archive")


def test_holes_count_towards_the_limit(shard: Path, tmp_path: Path) -> None:
    archive_of(shard, tmp_path / "archive")
    with pytest.raises(InvalidRequestError, match="more than"):
        unpack_shard(tmp_path / "archive", tmp_path / "back", 16 << 20)


def member(name: str, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def sparse(table: bytes, size: int = 100) -> tarfile.TarInfo:
    return member(
        "x",
        size=512,
        pax_headers={
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": "shard/x",
            "GNU.sparse.realsize": str(size),
            "table": table.decode(),
        },
    )


HOSTILE: dict[str, tarfile.TarInfo] = {
    "upwards": member("shard/../../escaped"),
    "upwards at once": member("../escaped"),
    "absolute": member("/tmp/escaped"),
    "elsewhere": member("collection.json"),
    "the folder itself": member("shard", type=tarfile.DIRTYPE),
    "backslash": member("shard/..\\escaped"),
    "symbolic link": member("shard/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": member("shard/link", type=tarfile.LNKTYPE, linkname="snapshot.json"),
    "device": member("shard/device", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    "pipe": member("shard/pipe", type=tarfile.FIFOTYPE),
    "below a file": member("shard/segments/one/data/below"),
    "twice": member("shard/segments/one/data"),
    "long name": member("shard/" + "n" * 300),
    "bomb": sparse(b"1\n0\n0\n", size=1 << 50),
    "negative extent": sparse(b"1\n-8\n4\n"),
    "negative size": sparse(b"1\n0\n-4\n"),
    "extent outside": sparse(b"1\n200\n4\n"),
    "overlapping extents": sparse(b"2\n0\n8\n4\n8\n"),
    "many extents": sparse(b"999999999999\n0\n"),
    "no numbers": sparse(b"one\ntwo\n"),
}


def hostile_archive(shard: Path, target: Path, extra: tarfile.TarInfo) -> None:
    """A snapshot with one more member before its end."""
    table = extra.pax_headers.get("table", "")
    extra.pax_headers = {key: value for key, value in extra.pax_headers.items() if key != "table"}
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        header = orjson.dumps({"format": 1})
        archive.addfile(member("snapshot.json", size=len(header)), io.BytesIO(header))
        archive.add(shard / "segments", "shard/segments")
        archive.addfile(extra, io.BytesIO(str(table).encode().ljust(512, b"\0")))
        archive.addfile(member("snapshot.end"))


@pytest.fixture
def watched(tmp_path: Path) -> Callable[[], set[str]]:
    """Names below the test's folder."""
    return lambda: {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_members_are_refused_and_touch_nothing(
    name: str, shard: Path, tmp_path: Path, watched: Callable[[], set[str]]
) -> None:
    inner = tmp_path / "collection"
    inner.mkdir()
    hostile_archive(shard, tmp_path / "archive", HOSTILE[name].replace())
    before = watched()
    with pytest.raises(InvalidRequestError):
        unpack_shard(tmp_path / "archive", inner / "back", 1 << 30)
    assert {path for path in watched() - before if not path.startswith("collection/back")} == set()
    assert not Path("/tmp/escaped").exists()


def test_what_makes_a_hostile_archive_is_the_one_member(shard: Path, tmp_path: Path) -> None:
    hostile_archive(shard, tmp_path / "archive", member("shard/harmless"))
    unpack_shard(tmp_path / "archive", tmp_path / "back", 1 << 30)
    assert (tmp_path / "back" / "harmless").exists()


@pytest.mark.parametrize(
    "header",
    [
        b"{}",
        b"[]",
        b"\xff",
        b'{"points": 1, "description": {}}',
        b'{"points": 1, "description": {"name": "a", "created_at": "", "shard": "s", "spec": {"vectors": 7}}}',
        b'{"points": "x", "description": {"name": "a", "created_at": "", "shard": "s", "spec": {}}}',
    ],
)
def test_a_header_that_says_nothing_useful_is_refused(header: bytes, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        archive.addfile(member("snapshot.json", size=len(header)), io.BytesIO(header))
    with pytest.raises(InvalidRequestError):
        read_header(tmp_path / "archive")


def test_a_file_without_a_header_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        archive.addfile(member("shard/x"))
    with pytest.raises(InvalidRequestError):
        read_header(tmp_path / "archive")
