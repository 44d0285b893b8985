"""Debian packages in pure Python: an `ar` archive that holds a tar archive. No dpkg is needed."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from services.cli.errors import CliError
from services.cli.evaluation.stamps import ROOT

_MAGIC = b"!<arch>\n"
_HEADER_BYTES = 60
_COMPRESSIONS = ("data.tar", "data.tar.gz", "data.tar.bz2", "data.tar.xz")
_KEPT = (".png", ".txt")
_AGAIN = "Delete the file, then fetch it again."


def ar_members(archive: BinaryIO) -> Iterator[tuple[str, int, int]]:
    """The members of an `ar` archive in the common format that Debian uses (deb(5)).

    Yields:
        Name, offset of the content, and its size, the last two in bytes.

    Raises:
        CliError: Not such an archive, or cut off.
    """
    if archive.read(len(_MAGIC)) != _MAGIC:
        raise CliError("This is not a Debian package: it does not begin like an ar archive.", _AGAIN)
    while header := archive.read(_HEADER_BYTES):
        size = header[48:58].strip()
        if len(header) < _HEADER_BYTES or header[58:] != b"`\n" or not size.isdigit():
            raise CliError("The package is damaged: an ar header does not end as it must.", _AGAIN)
        offset = archive.tell()
        yield header[:16].decode("ascii", "replace").strip().rstrip("/"), offset, int(size)
        # Members start at even offsets.
        archive.seek(offset + int(size) + int(size) % 2)


def unpack_stamps(package: Path, target: Path) -> None:
    """Write the pictures and descriptions of `package` below `target`, all of them or nothing.

    Args:
        package: The .deb file.
        target: A folder that does not exist yet.

    Raises:
        CliError: The package cannot be read.
    """
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        with package.open("rb") as archive:
            _extract(_data(archive), part)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise CliError(f"{package} cannot be unpacked: {error}", _AGAIN) from error
    part.rename(target)


def _data(archive: BinaryIO) -> io.BytesIO:
    for name, offset, size in list(ar_members(archive)):
        if name in _COMPRESSIONS:
            archive.seek(offset)
            return io.BytesIO(archive.read(size))
        if name.startswith("data.tar"):
            raise CliError(
                f"The package holds {name}, which Python cannot unpack by itself.",
                "Run `dpkg-deb -x PACKAGE FOLDER` and give that folder with --stamps.",
            )
    raise CliError("The package holds no data.tar.", _AGAIN)


def _extract(data: io.BytesIO, target: Path) -> None:
    with tarfile.open(fileobj=data, mode="r:*") as tar:
        for member in tar:
            name = PurePosixPath(member.name)
            if member.isfile() and name.is_relative_to(ROOT) and name.suffix in _KEPT:
                # The filter refuses names that lead out of `target` (PEP 706).
                tar.extract(member, target, filter="data")
