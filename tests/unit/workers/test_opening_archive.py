"""The opener of archives, in this process: what it gives out, and what it refuses, with which reason."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import pytest

from services.common.errors import (
    ArchiveError,
    ArchiveTooLargeError,
    ArchiveUnsafeError,
    ImageragError,
    UnsupportedMediaTypeError,
)
from tests.fixtures.archives import (
    Compression,
    compressed_by,
    deflate_bomb,
    flagged,
    overlapping,
    patched,
    picture,
    tar_info,
    tarred,
    tarred_infos,
    told_count,
    told_size,
    told_size_and_sum,
    zipped,
)
from workers.opening.archive import open_parts
from workers.opening.archives.limits import ArchiveLimits
from workers.sandbox.parts import Part

MIB = 1024 * 1024
LIMITS = ArchiveLimits(
    max_members=100, max_unpacked_bytes=200 * MIB, max_member_bytes=8 * MIB, max_text_bytes=1000
)
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


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]


# What is refused as a whole: nothing may come before the error.

TWO = zipped({"a.png": A, "b.png": B})
ZEROS = {f"{n}.bmp": b"BM" + bytes(7 * MIB) for n in range(10)}
HOSTILE: dict[str, tuple[Callable[[], bytes], type[ImageragError]]] = {
    "not an archive": (lambda: b"hello" * 200, UnsupportedMediaTypeError),
    "7z": (lambda: b"7z\xbc\xaf\x27\x1c" + bytes(600), UnsupportedMediaTypeError),
    "a thousand times its size": (lambda: zipped(ZEROS), ArchiveUnsafeError),
    "the same, in gzip": (lambda: tarred(ZEROS, "gz"), ArchiveUnsafeError),
    "the same, in bzip2": (lambda: tarred(ZEROS, "bz2"), ArchiveUnsafeError),
    "the same, in xz": (lambda: tarred(ZEROS, "xz"), ArchiveUnsafeError),
    "100,000 entries": (lambda: zipped(dict.fromkeys(map(str, range(100_000)), b"")), ArchiveTooLargeError),
    "100 entries, said to be 5": (
        lambda: told_count(zipped(dict.fromkeys(map(str, range(100)), b"")), 5),
        ArchiveUnsafeError,
    ),
    "5 entries, said to be 50": (
        lambda: told_count(zipped(dict.fromkeys(map(str, range(5)), b"")), 50),
        ArchiveError,
    ),
    "many in a tar": (lambda: tarred(dict.fromkeys(map(str, range(101)), b"")), ArchiveTooLargeError),
    "all the same bytes": (lambda: overlapping(9), ArchiveUnsafeError),
    "inside another's bytes": (lambda: patched(TWO, b"PK\x01\x02", 42, "<I", 20, nth=1), ArchiveUnsafeError),
    "behind the directory": (lambda: patched(TWO, b"PK\x01\x02", 42, "<I", len(TWO) - 40, nth=1), ArchiveError),
    "packed size beyond the file": (lambda: patched(TWO, b"PK\x01\x02", 20, "<I", 1 << 30, nth=1), ArchiveError),
    "said to unpack to 3 GB": (lambda: told_size(TWO, 3 << 30), ArchiveTooLargeError),
    "said to be in zip64, and is not": (lambda: told_size(TWO, 0xFFFFFFFF), ArchiveError),
    "cut short": (lambda: TWO[:-30], ArchiveError),
    "its beginning alone": (lambda: TWO[:100], ArchiveError),
    "something in front": (lambda: b"PK\x03\x04" + TWO, ArchiveUnsafeError),
    "something behind": (lambda: TWO + b"x", ArchiveError),
    "one of several disks": (lambda: patched(TWO, b"PK\x05\x06", 4, "<H", 2), ArchiveError),
    "a tar cut short in a member": (lambda: tarred({"a.png": bytes(5000)})[:2000], ArchiveError),
    "a tar without its end": (lambda: tarred({"a.png": A})[:1024], ArchiveError),
    "a gzip cut short": (lambda: tarred({"a.png": random.Random(1).randbytes(9000)}, "gz")[:5000], ArchiveError),
    "a gzip with a wrong sum": (lambda: tarred({"a.png": A}, "gz")[:-8] + bytes(8), ArchiveError),
    "an xz with a flipped byte": (
        lambda: flipped(tarred({"a.png": A}, "xz"), 150),
        ArchiveError,
    ),
    "a gzip of something else": (lambda: gzip.compress(b"hello" * 500), ArchiveError),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_as_a_whole_gives_nothing_but_its_reason(name: str) -> None:
    make, error = HOSTILE[name]
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


# What is refused by itself: its neighbours come.

ONE_BAD: dict[str, tuple[bytes, str]] = {
    "../x.png": (zipped({"a.png": A, "../x.png": B}), "archive_unsafe"),
    "x/../../y.png": (tarred({"a.png": A, "x/../../y.png": B}), "archive_unsafe"),
    "/etc/x.png": (tarred({"a.png": A, "/etc/x.png": B}), "archive_unsafe"),
    "\\\\server\\x.png": (zipped({"a.png": A, "\\\\server\\x.png": B}), "archive_unsafe"),
    "..\\x.png": (zipped({"a.png": A, "..\\x.png": B}), "archive_unsafe"),
    "C:\\x.png": (zipped({"a.png": A, "C:\\x.png": B}), "archive_unsafe"),
    "a/" * 17 + "x.png": (zipped({"a.png": A, "a/" * 17 + "x.png": B}), "archive_unsafe"),
    "nul\0.png": (zipped({"a.png": A, "nulX.png": B}).replace(b"nulX", b"nul\0"), "archive_unsafe"),
    "big.bmp": (zipped({"a.png": A, "big.bmp": b"BM" + bytes(9 * MIB)}), "archive_too_large"),
    "tight.bmp": (zipped({"a.png": A, "tight.bmp": b"BM" + bytes(4 * MIB)}), "archive_unsafe"),
    "long.txt": (tarred({"a.png": A, "long.txt": b"x" * 1001}), "archive_too_large"),
    "inner.zip": (zipped({"a.png": A, "inner.zip": TWO}), "unsupported_media_type"),
    "inner": (tarred({"a.png": A, "inner": tarred({"b.png": B})}), "unsupported_media_type"),
    "inner.gz": (zipped({"a.png": A, "inner.gz": tarred({"b.png": B}, "gz")}), "unsupported_media_type"),
    "empty.json.zip": (zipped({"a.png": A, "empty.json.zip": zipped({})}), "unsupported_media_type"),
    "locked.png": (flagged(zipped({"locked.png": B, "a.png": A}), 1), "unsupported_media_type"),
    "strong.png": (flagged(zipped({"strong.png": B, "a.png": A}), 1 << 6), "unsupported_media_type"),
    "deflate64.png": (compressed_by(zipped({"deflate64.png": B, "a.png": A}), 9), "unsupported_media_type"),
    "aes.png": (compressed_by(zipped({"aes.png": B, "a.png": A}), 99), "unsupported_media_type"),
    "short.png": (told_size(zipped({"short.png": B, "a.png": A}), len(B) - 9), "archive_unsafe"),
    "fits.png": (
        told_size_and_sum(zipped({"fits.png": B, "a.png": A}), 20, zlib.crc32(B[:20])),
        "archive_unsafe",
    ),
    "more.png": (told_size(zipped({"more.png": B, "a.png": A}), len(B) + 9), "archive_unsafe"),
    "differs.png": (patched(zipped({"differs.png": B, "a.png": A}), b"PK\x03\x04", 22, "<I", 7), "archive_unsafe"),
    "renamed.png": (
        zipped({"renamed.png": B, "a.png": A}).replace(b"renamed", b"another", 1),
        "archive_unsafe",
    ),
    "moved.png": (
        zipped({"a.png": A, "moved.png": B}).replace(b"PK\x03\x04", b"XXXX").replace(b"XXXX", b"PK\x03\x04", 1),
        "archive_unreadable",
    ),
    "crc.png": (patched(zipped({"crc.png": B, "a.png": A}), b"PK\x01\x02", 16, "<I", 1), "archive_unreadable"),
    "stored.png": (
        told_size(zipped({"stored.png": B, "a.png": A}, zipfile.ZIP_STORED), 5),
        "archive_unsafe",
    ),
}


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
        TWO,
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
            "1.left.json": b'{"title": "Left"}',
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
    "text", [b"\xff\xfe", b"[1]", b"nonsense", b'{"a": NaN}', b"[" * 900 + b"]" * 90, b'{"a":' * 190]
)
def test_a_wrong_description_is_named_and_its_picture_comes(text: bytes) -> None:
    archive = tarred({"a.png": A, "a.json": text})
    assert said(archive) == {"a.png": {}}
    assert [name for name, _ in troubles(archive)] == ["a.json"]
