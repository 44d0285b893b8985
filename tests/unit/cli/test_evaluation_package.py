"""Debian packages, made and damaged here."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.errors import CliError
from services.cli.evaluation.package import ar_members, unpack_stamps
from services.cli.evaluation.stamps import ROOT


def ar(members: dict[str, bytes]) -> bytes:
    archive = b"!<arch>\n"
    for name, content in members.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}".encode() + b"`\n"
        archive += header + content + b"\n" * (len(content) % 2)
    return archive


def tar(files: dict[str, bytes], compression: str = "xz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def package(tmp_path: Path, data: bytes, name: str = "data.tar.xz") -> Path:
    path = tmp_path / "stamps.deb"
    path.write_bytes(ar({"debian-binary": b"2.0\n", "control.tar.xz": b"odd", name: data}))
    return path


@given(
    st.dictionaries(st.text("abc.-/", min_size=1, max_size=15).filter(lambda n: not n.endswith("/")), st.binary())
)
def test_every_member_is_found_where_it_lies(members: dict[str, bytes]) -> None:
    archive = ar(members)
    found = {name: archive[offset : offset + size] for name, offset, size in ar_members(io.BytesIO(archive))}
    assert found == members


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_pictures_and_descriptions_are_unpacked_and_nothing_else(tmp_path: Path, compression: str) -> None:
    files = {
        f"./{ROOT}/animals/cat.png": b"cat",
        f"./{ROOT}/animals/cat.txt": b"A cat.",
        f"./{ROOT}/animals/cat.ogg": b"meow",
        "./usr/share/doc/readme.txt": b"read me",
        f"./{ROOT}/../../../../../escaped.txt": b"out",
    }
    source = package(tmp_path, tar(files, compression), f"data.tar.{compression}")
    with pytest.raises(CliError, match="unpack"):
        unpack_stamps(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    del files[f"./{ROOT}/../../../../../escaped.txt"]
    unpack_stamps(package(tmp_path, tar(files, compression), f"data.tar.{compression}"), tmp_path / "out")
    unpacked = [path.name for path in sorted((tmp_path / "out").rglob("*")) if path.is_file()]
    assert unpacked == ["cat.png", "cat.txt"]


def test_what_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    good = tar({f"./{ROOT}/cat.png": bytes(5000)})
    cases = {
        "not a Debian package": b"PK\x03\x04",
        "no data.tar": ar({"debian-binary": b"2.0\n"}),
        "data.tar.zst": ar({"data.tar.zst": b"x"}),
        "damaged": ar({"data.tar.xz": good})[:30],
        "cannot be unpacked": ar({"data.tar.xz": good[: len(good) // 2]}),
    }
    for message, content in cases.items():
        path = tmp_path / "bad.deb"
        path.write_bytes(content)
        with pytest.raises(CliError, match=message) as raised:
            unpack_stamps(path, tmp_path / "out")
        assert raised.value.fix
        assert not (tmp_path / "out").exists()
