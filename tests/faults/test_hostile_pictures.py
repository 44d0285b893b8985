"""Pictures of strangers: odd ones, broken ones, ones that tell too much. Nothing worse than a typed error."""

from __future__ import annotations

import resource
import time
from collections import Counter
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from PIL import Image, PngImagePlugin

from services.common.errors import ImageError
from services.common.media.images import DEFAULT_LIMITS, decode_rgb, read_header, thumbnail_webp
from services.common.media.store import MediaStore
from services.common.objects import LocalObjects, open_objects
from tests.fixtures.odd_pictures import encode, gradient, noise, odd_pictures

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]
MUTATIONS, THUMBNAIL_PX = 5_000, 256
LIMIT_S, LIMIT_MB = 1.0, 300.0
TENANT = "shop"
CANARY = "CANARY-48.8584N-2.2945E"


@dataclass
class Intake:
    """What a worker does with a picture, from its bytes to what is kept.

    Attributes:
        slowest_s: The most processor time that one took.
    """

    media: MediaStore
    slowest_s: float = 0.0

    def take(self, data: bytes) -> str:
        """`accepted`, or the code of the error."""
        started = time.process_time()
        try:
            read_header(data, DEFAULT_LIMITS)
            image = decode_rgb(data, DEFAULT_LIMITS, at_least_px=THUMBNAIL_PX)
            digest = self.media.put(TENANT, data)
            self.media.put_thumbnail(TENANT, digest, THUMBNAIL_PX, thumbnail_webp(image, THUMBNAIL_PX))
        except ImageError as error:
            return error.code if error.message else "no reason given"
        finally:
            self.slowest_s = max(self.slowest_s, time.process_time() - started)
        return "accepted"


@pytest.fixture
def intake(tmp_path: Path) -> Intake:
    return Intake(MediaStore(open_objects(f"memory://{tmp_path.name}")))


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_each_odd_picture_is_taken_or_refused_and_the_next_one_goes_in(intake: Intake) -> None:
    """I1: bombs, truncated, empty, polyglot, CMYK, 16 bits, palettes, animated, misnamed, turned, huge EXIF."""
    good = encode(noise(64, 48), "JPEG")
    assert intake.take(good) == "accepted"
    before_mb, ends = peak_mb(), Counter[str]()
    for odd in odd_pictures():
        intake.slowest_s = 0.0
        end = intake.take(odd.data)
        assert end == ("accepted" if odd.error is None else odd.error.code), odd.name
        assert intake.slowest_s < LIMIT_S, odd.name
        assert intake.take(good) == "accepted", f"after {odd.name}"
        ends[end] += 1
    grown_mb = peak_mb() - before_mb
    print(f"\n{ends.total()} odd pictures: {dict(ends)}; memory grew by {grown_mb:.0f} MB")
    assert ends.total() >= 40
    assert grown_mb < LIMIT_MB


def mutated(data: bytes, dice: Random) -> bytes:
    """One to thirty bytes changed, a stretch cut out, doubled or moved, or the end gone."""
    changed = bytearray(data)
    match dice.randrange(5):
        case 0 | 1:
            for _ in range(dice.randint(1, 30)):
                changed[dice.randrange(len(changed))] = dice.randrange(256)
        case 2:
            start = dice.randrange(len(changed))
            del changed[start : start + dice.randint(1, 200)]
        case 3:
            start, to = dice.randrange(len(changed)), dice.randrange(len(changed))
            changed[to:to] = changed[start : start + dice.randint(1, 200)]
        case _:
            del changed[dice.randrange(1, len(changed)) :]
    return bytes(changed)


def test_five_thousand_mutations_bring_nothing_but_typed_errors(intake: Intake) -> None:
    """I2: mutations of JPEG, PNG and WebP, seeded: no crash, no hang, no error without a type."""
    dice, before_mb = Random(20261121), peak_mb()
    pictures = [
        *(encode(gradient(), name) for name in ("JPEG", "PNG", "WEBP")),
        encode(noise(40, 30), "JPEG", progressive=True),
        encode(noise(40, 30).convert("P"), "PNG"),
        encode(noise(40, 30), "WEBP", lossless=True),
    ]
    ends = Counter(intake.take(mutated(dice.choice(pictures), dice)) for _ in range(MUTATIONS))
    grown_mb = peak_mb() - before_mb
    print(f"\n{ends.total()} mutations: {dict(ends)}")
    print(f"slowest {intake.slowest_s:.2f} s of processor time, memory grew by {grown_mb:.0f} MB")
    assert ends.total() == MUTATIONS
    assert 0 < ends["accepted"] < MUTATIONS
    assert not ends["no reason given"]
    assert intake.slowest_s < LIMIT_S
    assert grown_mb < LIMIT_MB


def telling(format_name: str) -> bytes:
    """A picture that says where and by whom it was taken, in every way its format has."""
    exif = Image.Exif()
    exif[0x0112], exif[0x013B], exif[0x010E] = 6, CANARY, CANARY
    exif[0x8825] = {1: "N", 2: (48.0, 51.0, 29.0), 3: "E", 4: (2.0, 17.0, 40.0), 29: CANARY}
    options: dict[str, object] = {"exif": exif}
    if format_name == "PNG":
        words = PngImagePlugin.PngInfo()
        words.add_text("Comment", CANARY)
        words.add_itxt("XML:com.adobe.xmp", f"<x>{CANARY}</x>")
        options["pnginfo"] = words
    elif format_name in ("JPEG", "WEBP"):
        options["xmp"] = f"<x>{CANARY}</x>".encode()
    if format_name == "JPEG":
        options["comment"] = CANARY.encode()
    return encode(gradient(), format_name, **options) + CANARY.encode()


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_where_a_picture_was_taken_is_nowhere_in_what_is_kept(tmp_path: Path, format_name: str) -> None:
    """I5: GPS, artist, comments, XMP and what follows the picture's end are in no file of the media store."""
    data = telling(format_name)
    assert data.count(CANARY.encode()) >= 3, "the picture must be one that tells"
    assert Intake(MediaStore(LocalObjects(tmp_path))).take(data) == "accepted"
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) == 2, "the picture and its thumbnail"
    for path in kept:
        content = path.read_bytes()
        assert CANARY.encode() not in content
        with Image.open(BytesIO(content)) as image:
            assert set(image.getexif()) <= {0x0112}, "but for the orientation"
            assert not image.getexif().get_ifd(0x8825)
