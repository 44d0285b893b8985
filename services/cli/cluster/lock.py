"""One cluster a data folder: the lock that `imagerag up` holds as long as it runs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.cli.errors import CliError

LOCK_FILE = Path("run") / "lock"


@contextmanager
def hold_lock(data: Path) -> Iterator[None]:
    """Hold the folder's lock.

    The lock belongs to the open file, which the processes of the runner inherit: after this process was killed
    it is free only when they are gone too.

    Raises:
        CliError: Another cluster holds it, or the folder cannot be written.
    """
    path = data / LOCK_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise CliError(
            f"The data folder {data} cannot be used: {error.strerror}.", "Give another one with --data."
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _held(data, path) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _held(data: Path, path: Path) -> CliError:
    holder = path.read_text(encoding="utf-8").strip()
    return CliError(
        f"Another cluster (process {holder or 'unknown'}) already runs on {data}.",
        "Use that one, stop it with Ctrl-C, or start this one elsewhere with --data FOLDER.",
        code="data_folder_in_use",
    )
