"""Opens a video inside the sandbox: the pictures that stand for its scenes, with their time stamps."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, BinaryIO

from av.video.frame import VideoFrame

from services.common.errors import ImageragError, InvalidRequestError, PayloadTooLargeError
from workers.opening.recordings.clock import clock_time
from workers.opening.recordings.frames import FrameReader
from workers.opening.recordings.limits import VideoLimits
from workers.opening.recordings.pictures import to_jpeg
from workers.opening.recordings.plan import Plan, plan_of
from workers.opening.recordings.recording import Recording, opened
from workers.opening.recordings.selection import Chosen, Selection
from workers.opening.recordings.state import Counts, State
from workers.sandbox.parts import Part

_NEWS_EVERY_S = 10.0
_MISSING_S = 3.0
_MISSING_SHARE = 0.05


def open_parts(file: BinaryIO, arguments: Mapping[str, Any]) -> Iterator[Part]:
    """Find the pictures of a video.

    The records, by `kind`: first one `recording` (title, duration_s, width, height, codec), then for each scene a
    `picture` with a JPEG (timestamp_s, scene_begin_s, scene_end_s, state), now and then `progress`, in the end a
    `summary` (looks, kept, black, uniform, similar, blends, damaged, keys_only).

    Args:
        file: The video.
        arguments: `limits` of `VideoLimits`; `state` of an earlier picture to go on behind it, or null.

    Raises:
        InvalidRequestError: It is damaged, or there is nothing to see in it.
        UnsupportedMediaTypeError: Not a video that can be read.
        PayloadTooLargeError: Its frames are too large, or it takes too long.
    """
    limits = VideoLimits(**arguments["limits"])
    state = State.from_json(arguments["state"]) if arguments.get("state") else State()
    with opened(file, limits) as recording:
        plan = plan_of(recording, limits)
    with opened(file, limits) as recording:
        yield Part({"kind": "recording", **_described(recording, plan)})
        yield from _pictures(recording, plan, limits, state)


def _described(recording: Recording, plan: Plan) -> dict[str, Any]:
    return {
        "title": recording.title,
        "duration_s": round(plan.duration_s, 3),
        "width": recording.stream.width,
        "height": recording.stream.height,
        "codec": recording.stream.codec.name,
    }


def _pictures(recording: Recording, plan: Plan, limits: VideoLimits, state: State) -> Iterator[Part]:
    reader = FrameReader(recording, plan)
    selection: Selection[VideoFrame] = Selection(state, limits.still_s, plan.step)
    told = time.monotonic()
    for sight in reader.sights(state.due):
        if time.process_time() > limits.cpu_s:
            raise _takes_too_long(sight.at_s, limits)
        chosen = selection.see(sight)
        if chosen:
            yield _picture(chosen, recording, limits)
        elif time.monotonic() - told > _NEWS_EVERY_S:
            yield Part({"kind": "progress", "reached_s": sight.at_s})
        else:
            continue
        told = time.monotonic()
    last = selection.end()
    if last:
        yield _picture(last, recording, limits)
    counts = asdict(selection.state.counts)
    yield Part({"kind": "summary", **counts, "damaged": reader.damaged, "keys_only": plan.keys_only})
    _check_end(reader, selection.state.counts)


def _picture(chosen: Chosen[VideoFrame], recording: Recording, limits: VideoLimits) -> Part:
    sight = chosen.sight
    record = {
        "kind": "picture",
        "timestamp_s": sight.at_s,
        "scene_begin_s": chosen.scene_begin_s,
        "scene_end_s": chosen.scene_end_s,
        "state": chosen.state.to_json(),
    }
    return Part(record, to_jpeg(sight.frame, recording.stream.sample_aspect_ratio, limits.max_side_px))


def _check_end(reader: FrameReader, counts: Counts) -> None:
    """Say what a person would miss.

    Raises:
        InvalidRequestError: There was nothing to see, or the file ends before the video does.
    """
    if not counts.looks:
        raise InvalidRequestError("The video has no frame that can be decoded. Send it or export it again.")
    if not counts.kept:
        raise InvalidRequestError("The video is black, or of one colour, from beginning to end.")
    stated_s = reader.recording.duration_s
    if stated_s - reader.reached_s > _MISSING_S + _MISSING_SHARE * stated_s:
        raise InvalidRequestError(
            f"The video's data ends at {clock_time(reader.reached_s)} though it says to last "
            f"{clock_time(stated_s)}: part of the file is missing. What comes before is taken in."
        )


def _takes_too_long(at_s: float, limits: VideoLimits) -> ImageragError:
    return PayloadTooLargeError(
        f"Within {limits.cpu_s:g} s of processor time the video could be looked at up to {clock_time(at_s)} only. "
        "Cut it into shorter ones, or export it smaller or with a key frame every few seconds."
    )
