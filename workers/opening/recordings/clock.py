"""Places in a recording, as people write them. Pure."""

from __future__ import annotations


def clock_time(seconds: float) -> str:
    """Hours, minutes, seconds and tenths: 00:01:23.4; never later than it is."""
    tenths = int(seconds * 10 + 1e-6)
    minutes, rest = divmod(tenths, 600)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 10:02d}.{rest % 10}"
