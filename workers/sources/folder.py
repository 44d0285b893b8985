"""Every picture below a folder of the server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from services.common.errors import ImageragError, InvalidRequestError
from services.common.jobs.records import ManifestLine
from services.common.jobs.roots import allowed
from services.common.media.signatures import sniff
from workers.sources.source import Listed

_SNIFF_BYTES = 16
# Refused ones too: a HEIC photo is reported with the reason, a text file beside the photos is not.
PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".svg"}
)
RENAME = "The file's name is not valid Unicode. Rename it."


class FolderSource:
    """Pictures by name, folder by folder; hidden files and folders are left out.

    A file counts as a picture by its suffix or, failing that, by its first bytes. The names of one folder are held
    in memory while it is read.

    Args:
        path: The folder.
        roots: Allowed folders.
    """

    def __init__(self, path: str, roots: Sequence[Path]) -> None:
        self._path, self._roots = path, roots

    def lines(self, after: str) -> Iterator[Listed]:
        """See `Source.lines`; a cursor is a path relative to the folder."""
        folder = allowed(self._path, self._roots)
        if not folder.is_dir():
            raise InvalidRequestError(f"{self._path!r} is not a folder on the server.")
        for file in files_below(folder, PurePosixPath(after).parts if after else ()):
            listed = self._listed(folder, file)
            if listed:
                yield listed

    def _listed(self, folder: Path, file: Path) -> Listed | None:
        name = file.relative_to(folder).as_posix()
        cursor = plain_name(name)
        try:
            name.encode()
            target = allowed(str(file), self._roots)
        except UnicodeEncodeError:
            return Listed(ManifestLine(cursor), cursor, InvalidRequestError(RENAME))
        except ImageragError as error:
            return Listed(ManifestLine(name), cursor, error)
        if not (target.is_file() and _is_picture(file)):
            return None
        return Listed(ManifestLine(name, path=str(file), source_uri=file.as_uri()), cursor)


def files_below(folder: Path, after: tuple[str, ...]) -> Iterator[Path]:
    """Files in the order of their path's parts, behind `after`."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(
                (plain_name(entry.name), entry.name, entry.is_dir(follow_symlinks=False)) for entry in found
            )
    except OSError:
        return  # unreadable or gone
    for text, name, is_folder in entries:
        if name.startswith(".") or (after and text < after[0]):
            continue
        reached = bool(after) and text == after[0]
        if is_folder:
            yield from files_below(folder / name, after[1:] if reached else ())
        elif not reached:
            yield folder / name


def plain_name(name: str) -> str:
    """A file's name as text that can be written down and compared; bytes that are not UTF-8 are spelled out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _is_picture(file: Path) -> bool:
    if file.suffix.lower() in PICTURE_SUFFIXES:
        return True
    try:
        with file.open("rb") as opened:
            return sniff(opened.read(_SNIFF_BYTES)) is not None
    except OSError:
        return False
