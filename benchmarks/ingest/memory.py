"""What a process held over time: whether it grew, and a picture of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_WIDTH, _HEIGHT, _MARGIN = 900, 320, 60
_MB = 1024 * 1024
_QUARTERS = 4


@dataclass(frozen=True)
class Sample:
    """One look.

    Attributes:
        at_s: Since the first one.
        size_bytes: What was held.
    """

    at_s: float
    size_bytes: int


@dataclass
class Samples:
    """Looks at one thing, in order."""

    samples: list[Sample] = field(default_factory=list)
    began_s: float = field(default_factory=time.perf_counter)

    def add(self, size_bytes: int) -> None:
        """Note what is held now."""
        self.samples.append(Sample(time.perf_counter() - self.began_s, size_bytes))

    def quarter_mb(self, number: int) -> float:
        """The median of a quarter of the samples; 0 is the first, in which a process still loads what it needs."""
        if len(self.samples) < _QUARTERS:
            raise ValueError(f"{len(self.samples)} samples have no quarters: measure more pictures")
        step = len(self.samples) // _QUARTERS
        return (
            statistics.median(sample.size_bytes for sample in self.samples[number * step : (number + 1) * step])
            / _MB
        )


def draw(path: Path, samples: Sequence[Sample], title: str) -> None:
    """Write the curve as an SVG."""
    longest_s = max(sample.at_s for sample in samples) or 1.0
    most_mb = 1.15 * max(sample.size_bytes for sample in samples) / _MB
    points = " ".join(
        f"{_MARGIN + sample.at_s / longest_s * (_WIDTH - 2 * _MARGIN):.1f},"
        f"{_HEIGHT - _MARGIN - sample.size_bytes / _MB / most_mb * (_HEIGHT - 2 * _MARGIN):.1f}"
        for sample in samples
    )
    floor, right = _HEIGHT - _MARGIN, _WIDTH - _MARGIN
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="14"><rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="{_MARGIN}" y="30">{title}</text>\n'
        f'<path d="M{_MARGIN} {_MARGIN} V{floor} H{right}" fill="none" stroke="grey"/>\n'
        f'<text x="{_MARGIN}" y="{_MARGIN - 8}">{most_mb:.0f} MB</text>\n'
        f'<text x="{right}" y="{floor + 20}" text-anchor="end">{longest_s:.0f} s</text>\n'
        f'<polyline points="{points}" fill="none" stroke="steelblue" stroke-width="2"/></svg>\n',
        encoding="utf-8",
    )
