"""How torch's threads wait for one another."""

from __future__ import annotations

import os

_SPINS = "1000"
_CHOICES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def wait_briefly() -> None:
    """Have torch's OpenMP spin at a barrier for microseconds and then sleep; call it before torch is imported.

    By default it spins for milliseconds, on a processor that the thread it waits for may need: on two cores that
    other programs wanted too, a ViT-B/32 took 1,000 ms for one picture on two threads, and 120 ms so. What the
    environment says goes before.
    """
    if not any(choice in os.environ for choice in _CHOICES):
        os.environ["GOMP_SPINCOUNT"] = _SPINS
