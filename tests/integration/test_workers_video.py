"""Real videos through the sandbox: what is found in them, where, and what becomes of broken ones."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import imagehash
import numpy as np
import pytest
from av.video.reformatter import ColorTrc
from PIL import Image

from services.common.errors import (
    ConflictError,
    ImageragError,
    InvalidRequestError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
)
from services.common.jobs.records import ManifestLine
from services.common.media.store import MediaStore
from services.common.objects import open_objects
from tests.fixtures.videos import (
    SMALL,
    Coding,
    Pixels,
    Shot,
    fade,
    plain,
    scene,
    write_frames,
    write_sound,
    write_video,
)
from workers.opening.recordings.limits import VideoLimits
from workers.sources.source import Listed, SourceTools
from workers.sources.video import VideoSource

TENANT = "t"
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
X265 = {"preset": "ultrafast", "x265-params": "log-level=none"}
BLACK = plain((0, 0, 0))
CUTS_S = (2.0, 6.0, 9.0, 14.0)
SCENES = (Shot(2, BLACK), Shot(4, scene(1)), Shot(3, scene(2, motion_px=12)), Shot(5, scene(3)), Shot(4, scene(4)))


@dataclass(frozen=True)
class Site:
    """A folder of videos and a media store."""

    tools: SourceTools
    folder: Path

    def listed(self, path: Path, after: str = "") -> list[Listed]:
        return list(VideoSource(str(path), self.tools).lines(after))

    def with_limits(self, limits: VideoLimits) -> Site:
        return Site(replace(self.tools, video=limits), self.folder)

    def picture(self, line: ManifestLine) -> Image.Image:
        return Image.open(io.BytesIO(self.tools.media.get(TENANT, line.sha256)))

    def until_error(self, path: Path) -> tuple[list[ManifestLine], ImageragError]:
        """What is found before the error that the reading must end in."""
        lines = VideoSource(str(path), self.tools).lines("")
        found: list[ManifestLine] = []
        try:
            found.extend(each.line for each in lines)
        except ImageragError as error:
            return found, error
        raise AssertionError("it was read to its end")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "videos").mkdir()
    media = MediaStore(open_objects(str(tmp_path / "data")))
    return Site(SourceTools(media, TENANT, [tmp_path / "videos"]), tmp_path / "videos")


def times(found: Sequence[Listed]) -> list[float]:
    return [each.line.position.timestamp_s or 0.0 for each in found if each.line.position]


def hashes_apart(site: Site, found: Sequence[Listed]) -> int:
    """Least distance of the perceptual hashes of two pictures in a row, by another program's reckoning."""
    hashes = [imagehash.phash(site.picture(each.line)) for each in found]
    return min((one - other for one, other in pairwise(hashes)), default=64)


def painted(site: Site, line: ManifestLine) -> Pixels:
    return np.asarray(site.picture(line).convert("RGB"))


def is_like(one: Pixels, other: Pixels, most: float = 12.0) -> bool:
    return one.shape == other.shape and float(np.abs(one.astype(int) - other.astype(int)).mean()) < most


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("a.mp4", SMALL),
        ("a.mkv", SMALL),
        ("a.mov", replace(SMALL, codec="mpeg4")),
        ("a.avi", replace(SMALL, codec="mjpeg", pix_fmt="yuvj420p", options={})),
        ("a.ts", replace(SMALL, codec="mpeg2video", fps=25, ticks_per_s=25, options={})),
        ("a.webm", replace(SMALL, codec="libvpx", options={"deadline": "realtime", "cpu-used": "8"})),
        (
            "b.mp4",
            replace(SMALL, codec="libx265", options=X265),
        ),
        ("b.mkv", replace(SMALL, codec="ffv1", pix_fmt="yuv422p10le", options={})),
    ],
)
def test_every_scene_is_found_once_in_every_format(site: Site, name: str, coding: Coding) -> None:
    path = write_video(site.folder / name, SCENES, coding)
    found = site.listed(path)
    begins = [float(each.line.metadata["scene_begin_s"]) for each in found]
    assert begins == pytest.approx(CUTS_S, abs=0.55)
    for at_s, begin_s, end_s in zip(times(found), CUTS_S, (*CUTS_S[1:], 18.0), strict=True):
        assert begin_s - 0.05 <= at_s <= end_s
    assert hashes_apart(site, found) > 10
    assert is_like(painted(site, found[0].line), scene(1)(0))


def test_a_line_says_what_and_where_it_is(site: Site) -> None:
    path = write_video(site.folder / "clip.mp4", SCENES, replace(SMALL, metadata={"title": "Holiday"}))
    first = site.listed(path)[0].line
    at_s = first.position.timestamp_s if first.position else None
    assert at_s is not None
    assert first.name == f"clip.mp4#00:00:0{int(at_s)}.{int(at_s * 10) % 10}"
    assert (first.title, first.metadata["duration_s"]) == ("Holiday", 18.0)
    assert first.source_uri == f"{path.as_uri()}#t={at_s:.3f}"
    found = site.listed(path)
    assert {each.line.document_id for each in found} == {first.document_id}
    assert len({each.line.key for each in found}) == len(found)
    untitled = write_video(site.folder / "untitled film.mp4", SCENES[1:2])
    assert site.listed(untitled)[0].line.title == "untitled film"


def test_time_stamps_are_those_of_the_frames_at_an_uneven_rate(site: Site) -> None:
    stamps = [Fraction(n * n, 100) for n in range(60)]
    paint = {0: scene(1), 1: scene(2), 2: scene(3)}
    frames = ((at_s, paint[int(at_s) // 12](0)) for at_s in stamps)
    found = site.listed(write_frames(site.folder / "uneven.mkv", iter(frames), replace(SMALL, fps=30)))
    assert len(found) == 3
    known = {float(at_s) for at_s in stamps}
    assert all(any(abs(at_s - each) < 0.0011 for each in known) for at_s in times(found))
    assert [int(at_s) // 12 for at_s in times(found)] == [0, 1, 2]


def test_a_slow_fade_is_one_change_and_no_mixture_is_kept(site: Site) -> None:
    shots = [Shot(6, scene(1)), Shot(6, fade(scene(1), scene(2))), Shot(6, scene(2))]
    found = site.listed(write_video(site.folder / "fade.mp4", shots))
    assert len(found) == 2
    assert is_like(painted(site, found[0].line), scene(1)(0))
    assert is_like(painted(site, found[1].line), scene(2)(0))


def test_a_still_video_gives_a_picture_every_so_often(site: Site) -> None:
    path = write_video(site.folder / "still.mp4", [Shot(50, scene(1))], replace(SMALL, fps=5))
    found = site.with_limits(VideoLimits(still_s=15)).listed(path)
    assert len(found) == 4
    assert all(after - before <= 30 for before, after in pairwise(times(found)))


@pytest.mark.parametrize(("rotation", "hflip"), [(90, False), (180, False), (-90, False), (0, True), (90, True)])
def test_pictures_are_upright(site: Site, rotation: float, hflip: bool) -> None:
    coding = replace(SMALL, rotation=rotation, hflip=hflip)
    path = write_video(site.folder / "turned.mp4", [Shot(2, scene(1))], coding)
    expected = np.rot90(scene(1)(0), round(rotation / 90))
    if hflip:
        expected = expected[:, ::-1]
    assert is_like(painted(site, site.listed(path)[0].line), expected)


def test_large_frames_are_scaled_down_and_oblong_pixels_made_square(site: Site) -> None:
    coding = Coding(width=720, height=576, fps=5)
    path = write_video(site.folder / "wide.mp4", [Shot(2, scene(1, coding))], coding)
    small = site.with_limits(VideoLimits(max_side_px=200))
    assert small.picture(small.listed(path)[0].line).size == (200, 160)
    oblong = replace(coding, shape=Fraction(64, 45))
    path = write_video(site.folder / "oblong.mp4", [Shot(2, scene(1, coding))], oblong)
    assert site.picture(site.listed(path)[0].line).size == (1024, 576)


def test_high_dynamic_range_is_not_burnt_out(site: Site) -> None:
    coding = replace(
        SMALL,
        codec="libx265",
        pix_fmt="yuv420p10le",
        trc=int(ColorTrc.SMPTE2084),
        options={"preset": "ultrafast", "x265-params": "log-level=none:transfer=smpte2084:colorprim=bt2020"},
    )
    path = write_video(site.folder / "hdr.mp4", [Shot(2, scene(1))], coding)
    shown = painted(site, site.listed(path)[0].line)
    assert float((shown == 255).all(axis=2).mean()) < 0.2
    assert shown.std() > 20


def test_reading_goes_on_behind_any_picture(site: Site) -> None:
    shots = [*SCENES, Shot(2, BLACK), Shot(3, scene(1)), Shot(6, fade(scene(1), scene(5))), Shot(20, scene(5))]
    site = site.with_limits(VideoLimits(still_s=8))
    for name, coding in (("a.mp4", replace(SMALL, options={"preset": "ultrafast", "bf": "3"})), ("a.ts", SMALL)):
        path = write_video(site.folder / name, shots, coding)
        whole = site.listed(path)
        assert len(whole) >= 7
        for number, each in enumerate(whole):
            assert site.listed(path, each.cursor) == whole[number + 1 :], (name, number)


def test_a_video_that_changes_meanwhile_is_noticed(site: Site) -> None:
    path = write_video(site.folder / "a.mp4", SCENES)
    first = next(VideoSource(str(path), site.tools).lines(""))
    write_video(path, SCENES[1:])
    with pytest.raises(ConflictError):
        site.listed(path, first.cursor)


def test_a_long_video_is_read_in_its_key_frames_with_the_same_scenes(site: Site) -> None:
    coding = replace(SMALL, options={"preset": "ultrafast", "g": "10"})
    path = write_video(site.folder / "a.mp4", SCENES, coding)
    quick = site.with_limits(VideoLimits(whole_pixels=1))
    found = quick.listed(path)
    begins = [float(each.line.metadata["scene_begin_s"]) for each in found]
    assert begins == pytest.approx(CUTS_S, abs=1.05)
    for number, each in enumerate(found):
        assert quick.listed(path, each.cursor) == found[number + 1 :]


def test_a_video_with_few_key_frames_is_decoded_whole_however_long(site: Site) -> None:
    coding = replace(SMALL, options={"preset": "ultrafast", "g": "1000", "sc_threshold": "0"})
    path = write_video(site.folder / "a.mp4", SCENES, coding)
    assert len(site.with_limits(VideoLimits(whole_pixels=1, key_gap_s=3)).listed(path)) == len(CUTS_S)


def test_what_takes_too_long_says_how_far_it_was_read(site: Site) -> None:
    path = write_video(site.folder / "a.mp4", SCENES)
    _found, error = site.with_limits(VideoLimits(cpu_s=0.01)).until_error(path)
    assert isinstance(error, PayloadTooLargeError)
    assert "00:00:0" in error.message


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("name", "spoil", "error"),
    [
        ("empty.mp4", lambda _data: b"", InvalidRequestError),
        ("no end.mp4", truncated, InvalidRequestError),
        ("head.mp4", lambda data: data[:100], InvalidRequestError),
        ("zeros.mp4", lambda data: data[:40] + bytes(len(data)), InvalidRequestError),
        ("text.mp4", lambda _data: b"not a video at all " * 100, ImageragError),
        ("list.mp4", lambda _data: PLAYLIST, InvalidRequestError),
        ("concat.mp4", lambda _data: b"ffconcat version 1.0\nfile /etc/passwd\n", UnsupportedMediaTypeError),
    ],
)
def test_broken_files_and_lists_of_files_are_typed_errors(
    site: Site, name: str, spoil: Callable[[bytes], bytes], error: type[ImageragError]
) -> None:
    path = write_video(site.folder / "whole.mp4", SCENES)
    (site.folder / name).write_bytes(spoil(path.read_bytes()))
    found, raised = site.until_error(site.folder / name)
    assert isinstance(raised, error)
    assert not raised.retryable
    assert raised.message
    assert found == []


def test_what_a_truncated_video_still_holds_is_taken_in_and_its_end_is_told(site: Site) -> None:
    path = write_video(site.folder / "whole.mkv", SCENES)
    data = path.read_bytes()
    (site.folder / "half.mkv").write_bytes(data[: int(len(data) * 0.6)])
    found, error = site.until_error(site.folder / "half.mkv")
    assert 0 < len(found) < len(CUTS_S)
    assert "00:00:18.0" in error.message


def test_mutations_never_end_in_anything_but_pictures_or_a_typed_error(site: Site) -> None:
    data = bytearray(write_video(site.folder / "whole.mp4", SCENES).read_bytes())
    random = np.random.default_rng(7)
    codes = []
    for _ in range(20):
        spoilt = bytearray(data)
        for place in random.integers(0, len(data), 30):
            spoilt[place] = random.integers(0, 256)
        (site.folder / "spoilt.mp4").write_bytes(spoilt)
        try:
            site.listed(site.folder / "spoilt.mp4")
        except ImageragError as error:
            codes.append(error.code)
    assert "internal" not in codes
    assert len(codes) < 20, "some of them can be read"


def test_sound_and_blackness_are_told(site: Site) -> None:
    _found, error = site.until_error(write_sound(site.folder / "song.mp4"))
    assert isinstance(error, UnsupportedMediaTypeError)
    assert "sound" in error.message
    found, error = site.until_error(write_video(site.folder / "black.mp4", [Shot(5, BLACK)]))
    assert found == []
    assert "black" in error.message


def test_frames_that_are_too_large_are_refused_before_they_are_decoded(site: Site) -> None:
    path = write_video(site.folder / "a.mp4", SCENES)
    _found, error = site.with_limits(VideoLimits(max_pixels=160 * 119)).until_error(path)
    assert isinstance(error, PayloadTooLargeError)
    assert "160 x 120" in error.message


def long_shots() -> Iterator[Shot]:
    """Two minutes: forty scenes of three seconds, with motion in every other one."""
    for seed in range(40):
        yield Shot(3, scene(seed, motion_px=8 * (seed % 2)))


def test_two_minutes_are_read_in_seconds_with_one_picture_a_scene(site: Site) -> None:
    path = write_video(site.folder / "two minutes.mp4", list(long_shots()), replace(SMALL, fps=25))
    begin = time.monotonic()
    found = site.listed(path)
    assert time.monotonic() - begin < 30
    assert len(found) == 40
    assert [int(at_s) // 3 for at_s in times(found)] == list(range(40))
    assert hashes_apart(site, found) > 6
    assert all(len(each.cursor) < 8192 and json.loads(each.cursor) for each in found)
