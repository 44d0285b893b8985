"""Which of a video's frames are decoded: all that others need, or its key frames alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from workers.opening.recordings.limits import VideoLimits
from workers.opening.recordings.recording import Recording, stamp_of

_FRAMES_A_LOOK = 5
_SLACK_S = 60.0


@dataclass(frozen=True)
class Plan:
    """How a video is read. It follows from the file and the limits alone, so that every reading is the same.

    Attributes:
        step: Least distance of two frames that are looked at, in the stream's unit.
        keys_only: Only key frames are decoded.
        skip: What the decoder leaves out, in its own words.
        duration_s: Of the video; 0: nobody knows.
        end_s: A time stamp beyond it is nonsense.
    """

    step: int
    keys_only: bool
    skip: str
    duration_s: float
    end_s: float


@dataclass(frozen=True)
class Survey:
    """What stands in a file, found without decoding.

    Attributes:
        frames: Number of frames.
        duration_s: From the first to the last.
        key_gap_s: Longest distance of two key frames.
    """

    frames: int
    duration_s: float
    key_gap_s: float


def plan_of(recording: Recording, limits: VideoLimits) -> Plan:
    """How to read a video; it must be opened anew for that.

    A video that takes too long to decode whole, or does not say how long it is, is surveyed: the whole file is
    read once.
    """
    frames, duration_s = recording.frames, recording.duration_s
    keys_only = recording.stream.codec.intra_only
    if not (frames and duration_s) or (not keys_only and frames * recording.pixels > limits.whole_pixels):
        found = survey(recording)
        frames, duration_s = found.frames, found.duration_s
        keys_only |= frames * recording.pixels > limits.whole_pixels and found.key_gap_s <= limits.key_gap_s
    apart_s = max(1 / limits.looks_per_s, duration_s / limits.most_looks)
    # Frames that no other needs are not missed where there are several for each look: 1.7 times as fast.
    has_spare = bool(duration_s) and frames / duration_s * apart_s >= _FRAMES_A_LOOK
    return Plan(
        step=max(1, math.ceil(apart_s / recording.time_base)),
        keys_only=keys_only,
        skip="NONREF" if has_spare and not keys_only else "DEFAULT",
        duration_s=duration_s,
        end_s=1.5 * duration_s + _SLACK_S if duration_s else math.inf,
    )


def survey(recording: Recording) -> Survey:
    """Read a file through without decoding."""
    frames, first, last, key, gap = 0, math.inf, -math.inf, -math.inf, 0.0
    for packet in recording.container.demux(recording.stream):
        stamp = stamp_of(packet)
        if stamp is None:
            continue
        frames += 1
        first, last = min(first, stamp), max(last, stamp)
        if packet.is_keyframe:
            gap = max(gap, stamp - max(key, first))
            key = stamp
    if not frames:
        return Survey(0, 0.0, math.inf)
    seconds = float(recording.time_base)
    return Survey(frames, (last - first) * seconds, max(gap, last - max(key, first)) * seconds)
