"""A file that a living process touches; a probe looks at its age. Imports nothing of Celery."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

EVERY_S = 5.0
"""Time between touches, and between the signs of life that the main loop gives."""
_FRESH_S = 6 * EVERY_S
"""A main loop that has given no sign for this long hangs."""


class Heartbeat:
    """Touches a file while the process's main loop turns, or waits for the broker as it should.

    A main loop that looks for the broker gives no signs, and to restart the process would not bring the broker
    back: that is why a thread touches the file and not the loop itself.

    Args:
        path: Of the file; its folder exists.
        every_s: Time between touches.
        fresh_s: Time for which a sign of life holds.
    """

    def __init__(self, path: Path, every_s: float = EVERY_S, fresh_s: float = _FRESH_S) -> None:
        self._path, self._every_s, self._fresh_s = path, every_s, fresh_s
        self._waits = True
        self._sign_at = float("-inf")
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Touch the file from now on, until the process ends."""
        self._thread.start()

    def sign(self) -> None:
        """The main loop turns."""
        self._sign_at = time.monotonic()
        self._waits = False

    def wait(self) -> None:
        """The main loop does not turn until its next sign, and should not."""
        self._waits = True

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """The main loop does not turn inside, and should not."""
        self.wait()
        yield
        self.sign()

    def _run(self) -> None:
        while True:
            if self._waits or time.monotonic() - self._sign_at < self._fresh_s:
                with contextlib.suppress(OSError):  # a full disk: the file grows old and says so
                    self._path.touch()
            time.sleep(self._every_s)


def heartbeat_age_s(path: Path) -> float | None:
    """Seconds since the last touch; None if there was none."""
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except FileNotFoundError:
        return None
