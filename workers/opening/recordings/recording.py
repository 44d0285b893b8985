"""A video file, opened and checked before a frame of it is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from services.common.errors import (
    ImageragError,
    InvalidRequestError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
)
from workers.opening.recordings.limits import VideoLimits

_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg"
"""Containers that hold their frames themselves. A playlist (HLS, DASH, concat) names other files: refused."""
_READ_BYTES = 1024 * 1024
_MICROSECONDS = 1_000_000
_TITLE_LETTERS = 512


@dataclass(frozen=True)
class Recording:
    """An opened video.

    Attributes:
        container: The file.
        stream: Its picture.
        time_base: Seconds of one time stamp.
        begin_s: Where players put zero.
        duration_s: As the file says; 0: it does not.
        frames: As the file says, or as follows from its duration; 0: nobody knows.
    """

    container: InputContainer
    stream: VideoStream
    time_base: Fraction
    begin_s: Fraction
    duration_s: float
    frames: int

    @property
    def pixels(self) -> int:
        """Of one frame."""
        return self.stream.width * self.stream.height

    @property
    def title(self) -> str:
        """As the file says; empty: it does not."""
        return str(self.container.metadata.get("title", "")).strip()[:_TITLE_LETTERS]

    def seconds(self, pts: int) -> float:
        """The place of a time stamp, from the beginning as players show it; to the microsecond."""
        return max(0.0, round(float(pts * self.time_base - self.begin_s), 6))


@contextmanager
def opened(file: BinaryIO, limits: VideoLimits) -> Iterator[Recording]:
    """Open a video.

    Args:
        file: The video; nothing but it is read, whatever it refers to.
        limits: What is accepted.

    Raises:
        InvalidRequestError: It is damaged.
        UnsupportedMediaTypeError: Not a video that can be read here, or a recording of sound alone.
        PayloadTooLargeError: Its frames are too large.
    """
    file.seek(0)
    with _typed_errors():
        container = av.open(
            file,
            "r",
            container_options={"format_whitelist": _DEMUXERS, "protocol_whitelist": ""},
            metadata_errors="replace",
            buffer_size=_READ_BYTES,
        )
        with container:
            stream = _picture(container)
            _check_size(stream, limits)
            stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}
            stream.codec_context.thread_count = limits.threads
            stream.thread_type = "AUTO"
            yield _described(container, stream)


def _picture(container: InputContainer) -> VideoStream:
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not streams:
        what = "sound" if container.streams.audio else "no picture"
        raise UnsupportedMediaTypeError(f"The file holds {what} alone: there is nothing to see in it.")
    decodable = [stream for stream in streams if getattr(stream, "codec_context", None)]
    if not decodable:
        raise UnsupportedMediaTypeError(
            "The video is in a coding that is not read here. Convert it to H.264, H.265, VP9 or AV1."
        )
    return max(decodable, key=lambda stream: stream.width * stream.height)


def _check_size(stream: VideoStream, limits: VideoLimits) -> None:
    if stream.width < 1 or stream.height < 1:
        raise InvalidRequestError("The video does not say how large its frames are. Export it again.")
    if stream.width * stream.height > limits.max_pixels:
        raise PayloadTooLargeError(
            f"The video's frames are {stream.width} x {stream.height} pixels; at most {limits.max_pixels:,} "
            "pixels are accepted. Scale it down first."
        )


def _described(container: InputContainer, stream: VideoStream) -> Recording:
    if stream.time_base is None:
        raise InvalidRequestError("The video has no time stamps. Export it again.")
    duration_s = 0.0
    if stream.duration:
        duration_s = float(stream.duration * stream.time_base)
    elif container.duration:
        duration_s = container.duration / _MICROSECONDS
    rate = stream.average_rate or stream.guessed_rate or 0
    begin_s = Fraction(container.start_time or 0, _MICROSECONDS)
    frames = stream.frames or int(duration_s * rate)
    return Recording(container, stream, stream.time_base, begin_s, duration_s, frames)


def stamp_of(packet: Packet[Any]) -> int | None:
    """When a packet is shown, or else decoded, in its stream's unit; None if it does not say."""
    return packet.pts if packet.pts is not None else packet.dts


@contextmanager
def _typed_errors() -> Iterator[None]:
    """Turn what the decoders say into what a person can act on."""
    try:
        yield
    except (ImageragError, MemoryError):
        raise
    except (av.DecoderNotFoundError, av.NotImplementedError, av.PatchWelcomeError) as error:
        raise UnsupportedMediaTypeError(
            "The video is in a coding that is not read here. Convert it to H.264, H.265, VP9 or AV1."
        ) from error
    except av.ArgumentError as error:
        raise UnsupportedMediaTypeError(
            "This is not a video that can be read here: MP4, MOV, MKV, WebM, AVI, MPEG, TS, FLV, WMV or OGG."
        ) from error
    except av.FFmpegError as error:
        raise InvalidRequestError(
            "The video is damaged, or its beginning or end is missing. Send it or export it again."
        ) from error
