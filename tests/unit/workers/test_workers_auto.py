"""A path of any kind: what it is taken for, that every file of a folder is told, and that one goes on anywhere."""

from __future__ import annotations

import json
import os
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import (
    ForbiddenError,
    ImageragError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
    UnsupportedMediaTypeError,
)
from services.common.jobs.records import ManifestLine
from services.common.media.kinds import kind_of
from services.common.media.signatures import HEAD_BYTES
from services.common.media.store import MediaStore
from services.common.objects import open_objects
from workers.sources.auto import AutoSource
from workers.sources.source import Listed, Source, SourceTools

JPEG = b"\xff\xd8\xff\xe0" + bytes(40)
MP4 = b"\0\0\0\x18ftypisom" + bytes(40)
PDF = b"%PDF-1.7\n%\xe2\xe3"


class Told:
    """A source that holds what its file says, one thing a letter; it ends as the last letter says."""

    def __init__(self, path: str, _tools: SourceTools) -> None:
        self._path = path

    def lines(self, after: str) -> Iterator[Listed]:
        path = Path(self._path)
        script = path.read_bytes().rpartition(b"\0")[2].decode()
        for number, letter in list(enumerate(script))[int(after or -1) + 1 :]:
            if letter == "!":
                raise InvalidRequestError("It is damaged here.")
            if letter == "?":
                raise RuntimeError("secret")
            if letter == "~":
                raise UnavailableError("not now")
            wrong = UnsupportedMediaTypeError("odd") if letter == "x" else None
            yield Listed(ManifestLine(f"{path.name}, part {letter}"), str(number), wrong)


def named(_path: str, _tools: SourceTools) -> Source:
    class Elsewhere:
        def lines(self, after: str) -> Iterator[Listed]:
            yield Listed(ManifestLine(f"{_path} after {after!r}"), "")

    return Elsewhere()


SOURCES = {"archive": Told, "document": Told, "video": Told, "manifest": Told, "prefix": named}


@pytest.fixture
def tools(tmp_path: Path) -> SourceTools:
    (tmp_path / "in").mkdir()
    return SourceTools(MediaStore(open_objects(str(tmp_path / "data"))), "t", [tmp_path / "in"])


@pytest.fixture
def folder(tmp_path: Path, tools: SourceTools) -> Path:
    return tmp_path / "in"


def fill(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def listed(path: Path, tools: SourceTools, after: str = "") -> list[Listed]:
    return list(AutoSource(str(path), tools, SOURCES).lines(after))


def names(found: Sequence[Listed]) -> list[tuple[str, str]]:
    return [(each.line.name, each.error.code if each.error else "") for each in found]


MIXED = {
    "a.jpg": JPEG,
    "b.mp4": MP4 + b"\0abx",
    "inner/c.pdf": PDF + b"\0ab!",
    "inner/d.zip": b"PK\x03\x04\0ab",
    "inner/e.jpg": JPEG,
    "f.docx": b"PK\x03\x04\0ab",
    "g.md": b"ab",
    "h.csv": b"path,title\n",
    "i.json": b"{}",
    "j.bin": b"\x01\x02\x00\xff",
    "k.xyz": b"",
    "l.pdf": PDF + b"\0a?b",
    "m.mp4": MP4 + b"\0",
    "n": JPEG,
    ".hidden.jpg": JPEG,
}


def test_every_file_of_a_mixed_folder_is_told(folder: Path, tools: SourceTools) -> None:
    fill(folder, MIXED)
    found = listed(folder, tools)
    assert names(found) == [
        ("a.jpg", ""),
        ("b.mp4, part a", ""),
        ("b.mp4, part b", ""),
        ("b.mp4, part x", "unsupported_media_type"),
        ("f.docx", "unsupported_media_type"),
        ("g.md, part a", ""),
        ("g.md, part b", ""),
        ("h.csv", "unsupported_media_type"),
        ("i.json", "unsupported_media_type"),
        ("inner/c.pdf, part a", ""),
        ("inner/c.pdf, part b", ""),
        ("inner/c.pdf", "invalid_request"),
        ("inner/d.zip, part a", ""),
        ("inner/d.zip, part b", ""),
        ("inner/e.jpg", ""),
        ("j.bin", "unsupported_media_type"),
        ("k.xyz", "invalid_request"),
        ("l.pdf, part a", ""),
        ("l.pdf", "internal"),
        ("m.mp4", "invalid_request"),
        ("n", ""),
    ]
    assert found[0].line.path == str(folder / "a.jpg")
    assert all(each.error.message for each in found if each.error)
    assert not any("secret" in each.error.message for each in found if each.error)


def test_reading_goes_on_behind_any_line(folder: Path, tools: SourceTools) -> None:
    fill(folder, MIXED)
    whole = listed(folder, tools)
    for number, each in enumerate(whole):
        assert names(listed(folder, tools, each.cursor)) == names(whole[number + 1 :]), each.line.name


def test_what_passes_is_waited_for(folder: Path, tools: SourceTools) -> None:
    fill(folder, {"a.jpg": JPEG, "b.mp4": MP4 + b"\0a~", "c.jpg": JPEG})
    lines = AutoSource(str(folder), tools, SOURCES).lines("")
    assert [next(lines).line.name for _ in range(2)] == ["a.jpg", "b.mp4, part a"]
    with pytest.raises(UnavailableError):
        next(lines)


def test_a_file_that_is_gone_does_not_keep_the_others_out(folder: Path, tools: SourceTools) -> None:
    fill(folder, {"a.mp4": MP4 + b"\0ab", "b.jpg": JPEG})
    first = next(AutoSource(str(folder), tools, SOURCES).lines(""))
    (folder / "a.mp4").unlink()
    assert names(listed(folder, tools, first.cursor)) == [("a.mp4", "not_found"), ("b.jpg", "")]


def test_links_out_of_the_folder_odd_names_and_pipes(folder: Path, tools: SourceTools) -> None:
    (folder.parent / "secret.jpg").write_bytes(JPEG)
    (folder / "escape.jpg").symlink_to(folder.parent / "secret.jpg")
    (folder / os.fsdecode(b"bad\xff.jpg")).write_bytes(JPEG)
    os.mkfifo(folder / "pipe.jpg")
    found = listed(folder, tools)
    assert names(found) == [
        ("bad\\xff.jpg", "invalid_request"),
        ("escape.jpg", "forbidden"),
        ("pipe.jpg", "invalid_request"),
    ]
    assert found[2].error is not None
    assert "pipe" in found[2].error.message


def test_a_single_file_is_read_by_what_it_is(folder: Path, tools: SourceTools) -> None:
    fill(folder, {"photo": JPEG, "film": MP4 + b"\0ab", "README": b"ab", "m.jsonl": b"ab", "x.docx": b"PK"})
    assert names(listed(folder / "photo", tools)) == [("photo", "")]
    assert listed(folder / "photo", tools, listed(folder / "photo", tools)[0].cursor) == []
    assert names(listed(folder / "film", tools)) == [("film, part a", ""), ("film, part b", "")]
    assert names(listed(folder / "film", tools, "0")) == [("film, part b", "")]
    assert names(listed(folder / "README", tools)) == [("README, part a", ""), ("README, part b", "")]
    assert names(listed(folder / "m.jsonl", tools)) == [("m.jsonl, part a", ""), ("m.jsonl, part b", "")]
    with pytest.raises(UnsupportedMediaTypeError, match="PDF"):
        listed(folder / "x.docx", tools)


def test_urls_are_left_to_their_sources(tools: SourceTools) -> None:
    assert names(list(AutoSource("s3://b/x", tools, SOURCES).lines("7"))) == [("s3://b/x after '7'", "")]
    with pytest.raises(InvalidRequestError):
        AutoSource("https://example.org/x", tools, SOURCES).lines("")


@pytest.mark.parametrize(("path", "error"), [("missing", NotFoundError), ("../secret", ForbiddenError)])
def test_a_path_must_be_there_and_allowed(
    folder: Path, tools: SourceTools, path: str, error: type[ImageragError]
) -> None:
    with pytest.raises(error):
        AutoSource(str(folder / path), tools, SOURCES).lines("")


def zipped() -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "a")
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("a.txt")
        archive.addfile(member, BytesIO())
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("a.mp4", JPEG, "picture"),
        ("a.jpg", MP4, "video"),
        ("a.jpg", b"", "picture"),
        ("a", zipped(), "archive"),
        ("a", tarred(), "archive"),
        ("a.tgz", b"\x1f\x8b\x08\0", "archive"),
        ("a.docx", zipped(), "office"),
        ("a", b"PAR1\x15\x04\0", "manifest"),
        ("a.csv", b"BM,x\n", "manifest"),
        ("BMW", "BMW fährt".encode(), "text"),
        ("a.md", "# Über".encode(), "document"),
        ("a.ts", b"const x = 1;", "unknown"),
        ("a.ts", b"G" + bytes(187) + b"G" + bytes(187) + b"G" + bytes(187), "video"),
        ("a", b"%PDF-1.4\n1 0 obj", "document"),
        ("a", b"\x1aE\xdf\xa3\0", "video"),
        ("a", b"RIFF\0\0\0\0AVI LIST", "video"),
        ("a", b"RIFF\0\0\0\0WEBPVP8 ", "picture"),
        ("a.heic", b"\0\0\0\x18ftypheic", "picture"),
        ("a", b"\0\0\0\x18ftypheic", "unknown"),
        ("a.svg", b"<svg/>", "picture"),
        ("a.mp4", b"\0\0\0\0\0\0", "video"),
        ("a", b"\0\x01", "unknown"),
    ],
)
def test_content_comes_before_the_name(name: str, head: bytes, kind: str) -> None:
    assert kind_of(name, head) == kind


@given(st.text(alphabet="aé漢😀", min_size=HEAD_BYTES))
def test_a_text_that_is_cut_inside_a_letter_is_one(text: str) -> None:
    assert kind_of("a", text.encode()[:HEAD_BYTES]) == "text"


@given(st.text(max_size=30), st.binary(max_size=64))
def test_anything_is_of_some_kind_and_a_cursor_is_json(name: str, head: bytes) -> None:
    assert json.dumps(kind_of(name.replace("/", ""), head))
