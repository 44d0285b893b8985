"""Notices that the terminal is gone."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable

STDOUT = 1


def when_terminal_closes(act: Callable[[], None], descriptor: int = STDOUT) -> None:
    """Call `act` from another thread once the terminal behind `descriptor` is closed; nothing if there is none.

    The signal for it, SIGHUP, reaches the leader of the session alone: where that is `make` (as in
    `xterm -e make demo`), it waits for us to end, and we would wait for ever.
    """
    if not os.isatty(descriptor):
        return
    poll = select.poll()
    # No event is asked for: a hang-up is always told.
    poll.register(descriptor, 0)

    def wait() -> None:
        if any(event & select.POLLHUP for _, event in poll.poll()):
            act()

    threading.Thread(target=wait, name="terminal", daemon=True).start()
