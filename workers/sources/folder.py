"""Every picture below a folder of the server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from services.common.errors import ImageragError, InvalidRequestError
from services.common.jobs.records import ManifestLine
from services.common.jobs.roots import allowed
from services.common.media.kinds import PICTURE_SUFFIXES
from services.common.media.signatures import sniff
from workers.sources.entries import is_file
from workers.sources.source import Listed

_SNIFF_BYTES = 16
RENAME = "The file's name is not valid Unicode. Rename it."


class FolderSource:
    """Pictures by name, folder by folder; hidden files and folders are left out.

    A file counts as a picture by its suffix or, failing that, by its first bytes. What cannot be looked at (links
    to folders or to nothing, folders without the right to read them) is told with the reason. The names of one
    folder are held in memory while it is read.

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
            if not (is_file(file, self._roots) and _is_picture(file)):
                return None
        except UnicodeEncodeError:
            return Listed(ManifestLine(cursor), cursor, InvalidRequestError(RENAME))
        except ImageragError as error:
            return Listed(ManifestLine(name), cursor, error)
        return Listed(ManifestLine(name, path=str(file), source_uri=file.as_uri()), cursor)


def files_below(folder: Path, after: tuple[str, ...]) -> Iterator[Path]:
    """Files in the order of their path's parts, behind `after`; a folder that cannot be read counts as one."""
    # Not recursive: a path may have more parts than Python has frames.
    opened = [_entries(folder, after)]
    while opened:
        found = next(opened[-1], None)
        if found is None:
            opened.pop()
        elif found.is_folder:
            opened.append(_entries(found.path, found.after))
        else:
            yield found.path


@dataclass(frozen=True)
class _Entry:
    """An entry of a folder.

    Attributes:
        is_folder: It is to be gone through.
        after: What of it is known already.
    """

    path: Path
    is_folder: bool = False
    after: tuple[str, ...] = ()


def _entries(folder: Path, after: tuple[str, ...]) -> Iterator[_Entry]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(
                (plain_name(entry.name), entry.name, entry.is_dir(follow_symlinks=False)) for entry in found
            )
    except (FileNotFoundError, NotADirectoryError):
        return  # gone since
    except OSError:
        yield _Entry(folder)
        return
    for text, name, is_folder in entries:
        if name.startswith(".") or (after and text < after[0]):
            continue
        reached = bool(after) and text == after[0]
        # One that is reached and goes no deeper was told as a whole.
        if not (reached and len(after) == 1):
            yield _Entry(folder / name, is_folder, after[1:] if reached else ())


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
        return True  # whoever reads it gets the reason
