"""Archives as sources: through the real sandbox and into a real media store, from any cursor on."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import pytest

from services.common.errors import (
    ConflictError,
    ForbiddenError,
    ImageragError,
    NotFoundError,
    PayloadTooLargeError,
)
from services.common.jobs.records import JobSource
from services.common.media.store import MediaStore
from services.common.objects import open_objects
from tests.fixtures.archives import overlapping, picture, tarred, zipped
from workers.opening.archives.limits import ArchiveLimits
from workers.sources.archive import ArchiveSource
from workers.sources.registry import open_source
from workers.sources.source import Listed, SourceTools

TENANT = "shop"
A, B, C = picture(1), picture(2), picture(3)
LIMITS = ArchiveLimits(max_members=1000, max_unpacked_bytes=100_000_000)


@pytest.fixture
def tools(tmp_path: Path) -> SourceTools:
    (tmp_path / "in").mkdir()
    media = MediaStore(open_objects(str(tmp_path / "data")))
    return SourceTools(media, TENANT, [tmp_path / "in"], archives=LIMITS)


def written(tmp_path: Path) -> list[Path]:
    """Every file in the data folder."""
    return [path for path in (tmp_path / "data").rglob("*") if path.is_file()]


def pack(tmp_path: Path, archive: bytes, name: str = "a.zip") -> str:
    path = tmp_path / "in" / name
    path.write_bytes(archive)
    return str(path)


def listed(source: ArchiveSource) -> list[Listed]:
    return list(source.lines(""))


def reasons(found: Sequence[Listed]) -> list[tuple[str, str]]:
    return [(each.line.name, each.error.code) for each in found if each.error]


MIXED = {
    "cats/1.png": A,
    "cats/1.json": '{"title": "Tom", "key": "sku-1", "tags": ["猫"], "price": 3}'.encode(),
    "cats/broken.png": A[:30],
    "notes.pdf": b"%PDF-1.7 and so on",
    "empty.jpg": b"",
    "../out.png": B,
    "2.png": B,
    "2.json": b'{"tags": "no list"}',
    "3.png": C,
    "3.json": b'{"deep": "\\ud800"}',
    "words.txt": "只有文字".encode(),
    "blank.txt": b"  ",
}


def test_every_member_is_an_item_or_has_a_reason(tmp_path: Path, tools: SourceTools) -> None:
    path = pack(tmp_path, zipped(MIXED), "mixed [1].zip")
    found = listed(ArchiveSource(Path(path).as_uri(), tools))
    assert reasons(found) == [
        ("cats/broken.png", "image_truncated"),
        ("notes.pdf", "image_format"),
        ("empty.jpg", "image_empty"),
        ("../out.png", "archive_unsafe"),
        ("2.png", "invalid_request"),
        ("3.png", "invalid_request"),
        ("blank.txt", "invalid_request"),
    ]
    lines = {each.line.name: each.line for each in found if not each.error}
    assert list(lines) == ["cats/1.png", "2.png", "3.png", "words.txt"]
    first = lines["cats/1.png"]
    assert (first.title, first.key, first.tags, first.metadata) == ("Tom", "sku-1", ("猫",), {"price": 3})
    assert first.source_uri == f"{Path(path).as_uri()}#cats/1.png"
    assert tools.media.exists(TENANT, first.sha256)
    assert (lines["words.txt"].text, lines["words.txt"].sha256) == ("只有文字", "")
    assert first.document_id == ""
    assert len(written(tmp_path)) == 3


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("archive", [zipped(MIXED), tarred(MIXED), tarred(MIXED, "gz")], ids=["zip", "tar", "gz"])
def test_a_listing_goes_on_from_any_line(tmp_path: Path, tools: SourceTools, archive: bytes, size: int) -> None:
    source = ArchiveSource(pack(tmp_path, archive), tools)
    whole = [(each.line, each.cursor) for each in source.lines("")]
    parts: list[tuple[object, str]] = []
    cursor = ""
    while part := list(islice(source.lines(cursor), size)):
        parts.extend((each.line, each.cursor) for each in part)
        cursor = part[-1].cursor
    assert parts == whole


def test_an_archive_that_is_replaced_meanwhile_is_not_read_on(tmp_path: Path, tools: SourceTools) -> None:
    path = pack(tmp_path, zipped({"a.png": A, "b.png": B}))
    source = ArchiveSource(path, tools)
    first = next(source.lines(""))
    pack(tmp_path, zipped({"c.png": C, "a.png": A}))
    os.utime(path, ns=(1, 1))
    with pytest.raises(ConflictError):
        list(source.lines(first.cursor))


@pytest.mark.parametrize(
    "make",
    [
        lambda: zipped({f"{n}.bmp": b"BM" + bytes(9_000_000) for n in range(8)}),
        lambda: zipped(dict.fromkeys((f"{n}.png" for n in range(100_000)), b"")),
        lambda: zipped({f"{n}.png": A for n in range(1001)}),
        lambda: overlapping(9),
        lambda: zipped({"a.png": A, "b.png": B})[:-10],
        lambda: zipped({"../a.png": A, "/b.png": B, "c/../../d.png": C}),
        lambda: zipped({"inner.zip": zipped({"a.png": A}), "inner.tar": tarred({"b.png": B})}),
        lambda: tarred({"a.png": A, "b.png": bytes(2000)})[:1800],
        lambda: tarred({f"{n}.bmp": b"BM" + bytes(9_000_000) for n in range(8)}, "gz"),
    ],
    ids=["bomb", "100k", "1001", "overlap", "cut", "paths", "nested", "cut tar", "tar bomb"],
)
def test_of_what_is_refused_nothing_is_written(
    tmp_path: Path, tools: SourceTools, make: Callable[[], bytes]
) -> None:
    source = ArchiveSource(pack(tmp_path, make()), tools)
    try:
        found = listed(source)
    except ImageragError as error:
        assert error.code.startswith("archive_")  # noqa: PT017 - refused as a whole, or member by member
    else:
        assert found
        assert all(each.error and each.error.message for each in found)
    assert written(tmp_path) == []


def test_archives_elsewhere_missing_or_too_large_are_refused(tmp_path: Path, tools: SourceTools) -> None:
    (tmp_path / "secret.zip").write_bytes(zipped({"a.png": A}))
    (tmp_path / "in" / "link.zip").symlink_to(tmp_path / "secret.zip")
    for path, error in [
        (tmp_path / "secret.zip", ForbiddenError),
        (tmp_path / "in" / "link.zip", ForbiddenError),
        (tmp_path / "in" / "none.zip", NotFoundError),
    ]:
        with pytest.raises(error):
            listed(ArchiveSource(str(path), tools))
    small = SourceTools(tools.media, TENANT, tools.roots, archives=ArchiveLimits(max_bytes=50))
    with pytest.raises(PayloadTooLargeError):
        listed(ArchiveSource(pack(tmp_path, zipped({"a.png": A})), small))


def test_the_registry_knows_archives_and_prefixes(tools: SourceTools) -> None:
    assert isinstance(open_source(JobSource("archive", "/x.zip"), tools), ArchiveSource)
    with pytest.raises(ForbiddenError):
        list(open_source(JobSource("prefix", "s3://bucket"), tools).lines(""))
