"""The frames of a video that are looked at, from its beginning or from any place on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import cast

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from workers.opening.recordings.look import LOOK_PX, look_at
from workers.opening.recordings.plan import Plan
from workers.opening.recordings.recording import Recording, stamp_of
from workers.opening.recordings.scenes import Sight

_STEPS_BACK_S = (0, 10, 60)


@dataclass
class FrameReader:
    """Reads one opened video once.

    Attributes:
        recording: The video.
        plan: What of it is read.
        damaged: Packets and frames that could not be decoded.
        reached_s: The last place in the file that was read, of any of its streams.
    """

    recording: Recording
    plan: Plan
    damaged: int = 0
    reached_s: float = field(default=0.0)

    def __post_init__(self) -> None:
        """Tell the decoder what to leave out; once it has begun it is too late."""
        self.recording.stream.codec_context.skip_frame = self.plan.skip  # type: ignore[assignment]

    def sights(self, due: int | None) -> Iterator[Sight[VideoFrame]]:
        """The first frame at or behind `due`, and from there one a step.

        Args:
            due: Time stamp in the stream's unit; None: the beginning.
        """
        for frame, pts in self._frames_from(due):
            if due is not None and pts < due:
                continue
            due = pts + self.plan.step
            small = frame.reformat(LOOK_PX, LOOK_PX, "rgb24", interpolation=Interpolation.AREA)
            look = look_at(cast(NDArray[np.uint8], small.to_ndarray()))
            yield Sight(frame, look, pts, self.recording.seconds(pts))

    def _frames_from(self, due: int | None) -> Iterator[tuple[VideoFrame, int]]:
        """All decoded frames, the first of them not behind `due`."""
        if due is None:
            return self._frames(None)
        for back_s in _STEPS_BACK_S:
            begin = due - int(back_s / self.recording.time_base)
            with suppress(av.FFmpegError):
                self.recording.container.seek(begin, stream=self.recording.stream)
                frames = self._frames(due)
                first = next(frames, None)
                # Where a file is entered is up to its format: behind the wanted place, now and then.
                if first is not None and first[1] <= due:
                    return chain([first], frames)
        self.recording.container.seek(int(self.recording.begin_s * av.time_base) - av.time_base)
        return self._frames(None)

    def _frames(self, due: int | None) -> Iterator[tuple[VideoFrame, int]]:
        for packet in self._packets():
            if self.plan.keys_only and packet.size:
                stamp = stamp_of(packet)
                if stamp is None or not packet.is_keyframe or (due is not None and stamp < due):
                    continue
                due = stamp + self.plan.step
            for frame in self._decoded(packet):
                pts = frame.pts if frame.pts is not None else frame.dts
                if frame.is_corrupt or pts is None or self.recording.seconds(pts) > self.plan.end_s:
                    self.damaged += 1
                else:
                    yield frame, pts

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Packets of the picture, up to the end or to where the file cannot be read any further.

        The last one is empty: with it the decoder gives out what it still holds.
        """
        try:
            for packet in self.recording.container.demux():
                stamp = stamp_of(packet)
                if stamp is not None:
                    end_s = float(stamp * packet.time_base - self.recording.begin_s)
                    self.reached_s = max(self.reached_s, end_s)
                if packet.stream_index == self.recording.stream.index:
                    yield cast("Packet[VideoStream]", packet)
        except MemoryError:
            raise
        except av.FFmpegError:
            self.damaged += 1

    def _decoded(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        try:
            return packet.decode()
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError):
            self.damaged += 1
            return []
