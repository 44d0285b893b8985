"""How closely a video is looked at, and what it may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VideoLimits:
    """Bounds on one video.

    Attributes:
        looks_per_s: Most frames looked at in a second of the video.
        most_looks: Most frames looked at in the whole video; a longer one is looked at less often.
        still_s: An unchanging scene gives one picture in so many seconds.
        max_side_px: Longest side of the pictures that are kept.
        max_pixels: Largest width x height that is decoded.
        whole_pixels: A video with more pixels than this, over all of its frames, is looked at in its key frames
            alone. 4e10 are 11 minutes of 1920 x 1080 at 30 frames/s, about a minute of processor time.
        key_gap_s: Longest distance of key frames at which they suffice.
        threads: Of the decoder.
        cpu_s: Processor time after which the rest of the video is given up.
    """

    looks_per_s: float = 2.0
    most_looks: int = 20_000
    still_s: float = 30.0
    max_side_px: int = 1280
    max_pixels: int = 50_000_000
    whole_pixels: float = 4e10
    key_gap_s: float = 10.0
    threads: int = 2
    cpu_s: float = 180.0
