"""The opener of archives, in this process: what it gives out, and what it refuses, with which reason."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import pytest

from services.common.errors import (
    ArchiveTooLargeError,
    ArchiveUnsafeError,
    ImageragError,
)
from tests.fixtures.archives import (
    Compression,
    compressed_by,
    deflate_bomb,
    patched,
    picture,
    tar_info,
    tarred,
    tarred_infos,
    told_size,
    zipped,
)
from tests.fixtures.odd_archives import LIMITS, MIB, ONE_BAD, WHOLE
from workers.opening.archive import open_parts
from workers.opening.archives.limits import ArchiveLimits
from workers.sandbox.parts import Part

A, B, C = picture(1), picture(2), picture(3)


def opened(archive: bytes, start: int = 0, limits: ArchiveLimits = LIMITS) -> list[Part]:
    return list(open_parts(io.BytesIO(archive), {"limits": asdict(limits), "start": start}))


def given(archive: bytes) -> dict[str, bytes]:
    """Name to bytes of what was not refused."""
    return {part.record["name"]: part.data for part in opened(archive) if "fields" in part.record}


def refusals(archive: bytes) -> dict[str, str]:
    """Name to code of what was refused."""
    found = [part.record["refused"] for part in opened(archive) if "refused" in part.record]
    return {each["name"]: each["code"] for each in found}


def said(archive: bytes) -> dict[str, Mapping[str, Any]]:
    return {part.record["name"]: part.record["fields"] for part in opened(archive) if "fields" in part.record}


def troubles(archive: bytes) -> list[tuple[str, str]]:
    return [
        (each["name"], each["message"]) for part in opened(archive) for each in part.record.get("troubles", [])
    ]


MEMBERS = {
    "b/2.png": B,
    "a/1.png": A,
    "__MACOSX/b/._2.png": b"x",
    ".hidden/3.png": C,
    "a/Thumbs.db": b"x",
    "c.png": C,
}


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_a_tars_pictures_come_in_its_order(compression: Compression, form: int) -> None:
    archive = tarred(MEMBERS, compression, form=form)
    assert list(given(archive).items()) == [("b/2.png", B), ("a/1.png", A), ("c.png", C)]
    assert [part.record["index"] for part in opened(archive)] == [0, 1, 5]
    assert [part.record["index"] for part in opened(archive, start=2)] == [5]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zips_pictures_come_in_its_order(method: int) -> None:
    archive = zipped(MEMBERS, method)
    assert list(given(archive).items()) == [("b/2.png", B), ("a/1.png", A), ("c.png", C)]
    assert [part.record["index"] for part in opened(archive, start=2)] == [5]


def test_long_and_foreign_names_are_read_in_every_format() -> None:
    long = "/".join(["很长的文件夹" * 5] * 4) + "/图.png"
    bad = "bad\udcff.png"
    for archive in (
        tarred({long: A, bad: B}),
        tarred({long: A, bad: B}, form=tarfile.GNU_FORMAT),
        zipped({long: A}),
    ):
        assert given(archive)[long] == A
    assert given(tarred({bad: B})) == {"bad\\xff.png": B}


@pytest.mark.parametrize(
    ("name", "encoding"), [("红色的猫.png", "gbk"), ("红色的猫.png", "utf-8"), ("café.png", "cp437")]
)
def test_names_of_a_zip_without_a_flag_are_utf8_or_gbk_or_of_old(name: str, encoding: str) -> None:
    raw = name.encode(encoding)
    archive = zipped({"a" * len(raw): A}).replace(b"a" * len(raw), raw)
    assert given(archive) == {name: A}


def test_zip_written_as_a_stream_or_with_zip64_is_read() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", A)
        with archive.open(zipfile.ZipInfo("b.png"), "w", force_zip64=True) as file:
            file.write(B)
        archive.comment = b"made by hand PK\x05\x06 and more"
    assert given(pipe.getvalue()) == {"a.png": A, "b.png": B}


def test_archives_put_one_behind_the_other_are_both_read() -> None:
    assert given(tarred({"a.png": A}) + tarred({"b.png": B})) == {"a.png": A, "b.png": B}


def test_an_empty_archive_gives_nothing() -> None:
    assert opened(zipped({})) == opened(tarred({})) == []


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_hostile_as_a_whole_gives_nothing_but_its_reason(name: str) -> None:
    make, error = WHOLE[name]
    parts = open_parts(io.BytesIO(make()), {"limits": asdict(LIMITS)})
    with pytest.raises(error) as raised:
        next(parts)
    assert raised.value.message.endswith(".")


def test_the_bounds_are_held_while_unpacking_although_no_header_promises_much() -> None:
    # Zeros are passed over between members, so no header says how many there will be.
    endless = gzip.compress(tarred({"a.png": A}) + bytes(100 * MIB), 1)
    with pytest.raises(ArchiveUnsafeError):
        opened(endless)
    with pytest.raises(ArchiveTooLargeError):
        opened(endless, limits=replace(LIMITS, max_unpacked_bytes=50 * MIB))


@pytest.mark.parametrize("name", ONE_BAD)
def test_what_is_hostile_by_itself_is_named_and_its_neighbours_come(name: str) -> None:
    archive, code = ONE_BAD[name]
    assert given(archive) == {"a.png": A}
    assert refusals(archive) == {name: code}


def test_a_bomb_that_promises_little_is_never_unpacked_beyond_its_promise() -> None:
    bomb = deflate_bomb(100 * MIB)
    sound = zipped({"bomb.bmp": bomb, "a.png": A}, zipfile.ZIP_STORED)
    told = compressed_by(told_size(sound, 30), 8)
    assert refusals(told) == {"bomb.bmp": "archive_unsafe"}


@pytest.mark.parametrize(
    "info",
    [
        tar_info("link", tarfile.SYMTYPE, "/etc/passwd"),
        tar_info("link", tarfile.LNKTYPE, "a.png"),
        tar_info("link", tarfile.CHRTYPE),
        tar_info("link", tarfile.FIFOTYPE),
        tar_info("link", b"Z"),
    ],
)
def test_links_and_devices_of_a_tar_are_refused(info: tarfile.TarInfo) -> None:
    assert refusals(tarred_infos(info)) == {"link": "archive_unsafe"}


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o010666])
def test_links_and_devices_of_a_zip_are_refused(mode: int) -> None:
    archive = patched(zipped({"link": b"/etc/passwd", "a.png": A}), b"PK\x01\x02", 38, "<I", mode << 16)
    assert refusals(archive) == {"link": "archive_unsafe"}
    assert given(archive) == {"a.png": A}


def test_of_several_members_with_one_name_the_first_counts() -> None:
    archive = zipped({"a.png": A, "b.png": B}).replace(b"b.png", b"a.png")
    assert given(archive) == {"a.png": A}
    assert refusals(archive) == {"a.png": "archive_unsafe"}
    assert refusals(tarred({"a.png": A, "./a.png": B})) == {"a.png": "archive_unsafe"}


@pytest.mark.parametrize(
    "sound",
    [
        zipped({"a.png": A, "b.png": B}),
        zipped({"a.png": A, "a.json": b'{"title": "x"}', "b.txt": b"words"}, zipfile.ZIP_STORED),
        tarred({"a.png": A, "a.json": b"{}", "x" * 200 + ".png": B}),
        tarred({"a.png": A, "b.png": B}, "gz"),
        tarred({"a.png": A}, "xz"),
    ],
    ids=["zip", "stored zip", "tar", "tar.gz", "tar.xz"],
)
def test_whatever_byte_is_changed_the_answer_is_parts_or_a_typed_error(sound: bytes) -> None:
    chance = random.Random(5)
    for _ in range(400):
        changed = bytearray(sound)
        for _ in range(chance.choice([1, 1, 2, 5])):
            changed[chance.randrange(len(changed))] = chance.choice([0, 1, 0x7F, 0xFF, chance.randrange(256)])
        cut = chance.choice([len(changed), len(changed), chance.randrange(len(changed))])
        try:
            parts = opened(bytes(changed[:cut]))
        except ImageragError as error:
            assert error.code != "internal"  # noqa: PT017 - a typed error is one of the two answers
            continue
        assert sum(len(part.data) for part in parts) <= 2 * len(sound) + 4096


# What belongs together.


@pytest.mark.parametrize("pack", [zipped, tarred, lambda members: tarred(members, "gz")])
def test_members_of_one_sample_become_one_item(pack: Any) -> None:
    archive = pack(
        {
            "0.png": A,
            "0.json": b'{"title": "One", "tags": ["x"], "width": 8, "metadata": {"shop": 3}, "caption": "c"}',
            "0.txt": "一只猫".encode(),
            "0.cls": b"7",
            "1.left.png": B,
            "1.right.png": C,
            "1.txt": b"both sides",
            "1.left.json": b'{"title": "Left", "text": "of JSON"}',
            "2.txt": b"words alone",
        }
    )
    assert said(archive) == {
        "0.png": {
            "title": "One",
            "tags": ["x"],
            "metadata": {"width": 8, "shop": 3, "cls": 7},
            "text": "一只猫",
        },
        "1.left.png": {"title": "Left", "text": "both sides"},
        "1.right.png": {"text": "both sides"},
        "2.txt": {"text": "words alone"},
    }
    assert [part.record["is_text"] for part in opened(archive)] == [False, False, False, True]


def test_versions_in_names_do_not_mix_descriptions() -> None:
    archive = zipped({"v1.0-cat.png": A, "v1.1-dog.png": B, "v1.0-cat.txt": b"cat", "v1.2-cow.txt": b"cow"})
    assert said(archive) == {"v1.0-cat.png": {"text": "cat"}, "v1.1-dog.png": {}}
    assert refusals(archive) == {"v1.2-cow.txt": "invalid_request"}


@pytest.mark.parametrize("pack", [zipped, lambda members: tarred(members, "xz")])
def test_a_table_describes_pictures_by_path_and_its_wrong_rows_are_named(pack: Any) -> None:
    archive = pack(
        {
            "train/a.png": A,
            "train/b.png": B,
            "train/b.json": b'{"title": "own"}',
            "train/metadata.jsonl": b'{"file_name": "a.png", "text": "cat", "label": 3}\n\nnonsense\n'
            b'{"file_name": "b.png", "title": "table", "label": 4}\n{"path": "no.png"}\n{"x": 1}\n',
            "metadata.csv": 'path,title,tags,price\ntrain/a.png,猫,"x, y",3\n'.encode("utf-8-sig"),
        }
    )
    assert said(archive) == {
        "train/a.png": {"text": "cat", "title": "猫", "tags": ["x", "y"], "metadata": {"label": 3, "price": "3"}},
        "train/b.png": {"title": "own", "metadata": {"label": 4}},
    }
    assert troubles(archive) == [
        ("train/metadata.jsonl, line 3", "It is not a JSON object."),
        ("train/metadata.jsonl, line 5", "The archive holds no 'train/no.png'."),
        ("train/metadata.jsonl, line 6", "It has no path or file_name."),
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe",
        b"[1]",
        b"nonsense",
        b'{"a": NaN}',
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b'{"a": 1e999}',
        b'{"a": 9223372036854775808}',
        b'{"a":' * 190,
    ],
)
def test_a_wrong_description_is_named_and_its_picture_comes(text: bytes) -> None:
    archive = tarred({"a.png": A, "a.json": text})
    assert said(archive) == {"a.png": {}}
    assert [name for name, _ in troubles(archive)] == ["a.json"]
