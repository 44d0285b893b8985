"""What an entry of a folder is: a file, or something that is told with what a person can do about it."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from services.common.errors import InvalidRequestError
from services.common.jobs.roots import allowed

_LINK_TO_NOTHING = "This is a link to something that is not there. Put it there, or remove the link."
_LINK_TO_A_FOLDER = "This is a link to a folder and is not followed. Take that folder in by a job of its own."
_NO_FILE = "This is a pipe, a socket or a device, not a file."
_UNREADABLE = "The workers cannot read this. Give their user the right to, or shorten its path."


def is_file(entry: Path, roots: Sequence[Path]) -> bool:
    """Whether an entry of a folder, or what it links to, is a file; False: it is gone by now.

    Args:
        entry: As it was found in its folder.
        roots: Folders that it must lie in, wherever links lead.

    Raises:
        ForbiddenError: It leads out of the allowed folders.
        InvalidRequestError: It is no file, or it may not be looked at; the text says what to do.
    """
    target = allowed(str(entry), roots)
    try:
        mode = target.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if entry.is_symlink():
            raise InvalidRequestError(_LINK_TO_NOTHING) from None
        return False
    except OSError:
        raise InvalidRequestError(_UNREADABLE) from None
    if stat.S_ISDIR(mode):
        raise InvalidRequestError(_LINK_TO_A_FOLDER if entry.is_symlink() else _UNREADABLE)
    if not stat.S_ISREG(mode):
        raise InvalidRequestError(_NO_FILE)
    return True
