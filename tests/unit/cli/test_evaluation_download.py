"""Fetching with an apt-get of our own making."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from services.cli.errors import CliError
from services.cli.evaluation.download import load
from services.cli.evaluation.stamps import ROOT


def make_package(path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
        for name, content in {"animals/cat.png": b"cat", "animals/cat.txt": b"A cat."}.items():
            member = tarfile.TarInfo(f"./{ROOT}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    data = buffer.getvalue()
    header = f"{'data.tar.xz':<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}".encode() + b"`\n"
    path.write_bytes(b"!<arch>\n" + header + data)


def put_apt_get(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    program = folder / "apt-get"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")


def test_it_is_fetched_and_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_package(tmp_path / "made.deb")
    script = f'echo called >> {tmp_path}/calls\ncp {tmp_path}/made.deb "$2_1.0_all.deb"'
    put_apt_get(tmp_path / "bin", script, monkeypatch)
    first = load(None, tmp_path / "cache")
    assert [stamp.key for stamp in first] == ["animals/cat"]
    assert load(None, tmp_path / "cache") == first
    assert (tmp_path / "calls").read_text() == "called\n"


def test_a_failed_download_says_why_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_apt_get(tmp_path / "bin", "echo half > $2_1.0_all.deb; echo 'E: No network' >&2; exit 100", monkeypatch)
    for _ in range(2):
        with pytest.raises(CliError, match="E: No network") as raised:
            load(None, tmp_path / "cache")
        assert "--stamps" in raised.value.fix
    assert not list((tmp_path / "cache").glob("*.deb"))


def test_without_apt_get_the_way_by_hand_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CliError, match="apt-get is not on this machine") as raised:
        load(None, tmp_path / "cache")
    assert "packages.debian.org" in raised.value.fix


def test_a_package_or_a_folder_can_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    make_package(tmp_path / "mine.deb")
    from_package = load(tmp_path / "mine.deb", tmp_path / "cache")
    assert [stamp.english for stamp in from_package] == ["A cat."]
    assert load(tmp_path / "cache" / "mine", tmp_path / "other") == from_package
    with pytest.raises(CliError, match="does not exist"):
        load(tmp_path / "missing.deb", tmp_path / "cache")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CliError, match="no described pictures"):
        load(tmp_path / "empty", tmp_path / "cache")
