"""Pictures from strangers: header first, limits, then pixels. Every failure is a typed `ImageError`.

Pillow alone opens 43 formats, and decodes a 20 KB PNG of 13000 x 13000 to 0.8 GB with no more than a
warning.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from PIL import ExifTags, Image

from services.common.errors import (
    ImageEmptyError,
    ImageError,
    ImageFormatError,
    ImageTooLargeError,
    ImageTruncatedError,
)
from services.common.media.rgb import to_rgb
from services.common.media.signatures import MIME, ends_early, likely_kind, sniff

PILLOW_ALARM_PIXELS = 89_478_485
"""Above this Pillow warns of decompression bombs by itself; our cap stays below, so that it never has to."""
THUMBNAIL_QUALITY = 80
_WEBP_METHOD = 2
"""Of 0 to 6, more is slower. A picture of 500 x 375 takes 7.6 ms and 29.8 kB with 2, 17.5 ms and 30.0 kB with 4,
4.5 ms and 32.3 kB with 0."""

_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPPING = frozenset({5, 6, 7, 8})
# `catch_warnings` changes the whole process: of two threads inside it one restores the other's filters.
_warnings_lock = threading.Lock()


@dataclass(frozen=True)
class ImageLimits:
    """What is accepted.

    Attributes:
        max_bytes: Largest encoded picture.
        max_pixels: Largest width x height; one pixel takes 4 bytes while it is decoded.
        max_side_px: Longest side.
        formats: Pillow's names of the allowed formats.
    """

    max_bytes: int = 32 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_side_px: int = 32_768
    formats: frozenset[str] = frozenset(MIME)

    def __post_init__(self) -> None:
        """Refuse limits that Pillow would not let us keep."""
        if self.max_pixels > PILLOW_ALARM_PIXELS:
            raise ValueError(f"max_pixels must be at most {PILLOW_ALARM_PIXELS}")
        unknown = self.formats - MIME.keys()
        if unknown:
            raise ValueError(f"formats not known: {', '.join(sorted(unknown))}; known: {', '.join(MIME)}")


@dataclass(frozen=True)
class ImageHeader:
    """What the header says.

    Attributes:
        mime: E.g. "image/jpeg".
        format: Pillow's name, e.g. "JPEG".
        width: Pixels, after the EXIF orientation is applied.
        height: Pixels, after the EXIF orientation is applied.
        animated: More than one frame or page; the first one is used.
    """

    mime: str
    format: str
    width: int
    height: int
    animated: bool


@dataclass(frozen=True)
class _Opened:
    """A picture whose header was read and found within the limits; its pixels are not decoded."""

    image: Image.Image
    format: str
    orientation: int


DEFAULT_LIMITS = ImageLimits()


def read_header(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> ImageHeader:
    """Read format and size without decoding a pixel. The content decides, not a file name.

    Args:
        data: The encoded picture.
        limits: What is accepted.

    Raises:
        ImageEmptyError: No bytes.
        ImageFormatError: Not one of the allowed formats.
        ImageTooLargeError: Above a limit.
        ImageTruncatedError: The data ends inside the header.
        ImageError: The header is damaged.
    """
    opened = _open(data, limits)
    width, height = opened.image.size
    # Pillow's TIFF reader turns its size and pixels by itself.
    if opened.orientation in _SWAPPING and opened.format != "TIFF":
        width, height = height, width
    animated = opened.format != "JPEG" and _is_animated(opened.image)
    return ImageHeader(MIME[opened.format], opened.format, width, height, animated)


def read_orientation(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> int:
    """The EXIF orientation that `decode_rgb` applies: 2 to 8, or 1 for upright.

    Raises:
        ImageError: As in `read_header`.
    """
    orientation = _open(data, limits).orientation
    return orientation if orientation in _ORIENTATIONS else 1


def decode_rgb(data: bytes, limits: ImageLimits = DEFAULT_LIMITS, at_least_px: int | None = None) -> Image.Image:
    """Decode the first frame to RGB: EXIF orientation applied, alpha on white, deep greyscale scaled.

    Args:
        data: The encoded picture.
        limits: What is accepted; checked on the header, before any pixel is decoded.
        at_least_px: The caller needs no more than this many pixels on the shorter side. A larger picture may
            come back smaller (a JPEG is then decoded at a half, a quarter or an eighth), never below it.

    Returns:
        An RGB image without metadata.

    Raises:
        ImageError: As in `read_header`, and ImageTruncatedError if the pixel data ends early.
    """
    opened = _open(data, limits)
    image = opened.image
    with _typed_errors(opened.format, data):
        if at_least_px is not None:
            image.draft(None, (at_least_px, at_least_px))
        image.load()
        rgb = to_rgb(image, at_least_px)
        turn = None if opened.format == "TIFF" else _ORIENTATIONS.get(opened.orientation)
        upright = rgb if turn is None else rgb.transpose(turn)
    upright.info.clear()
    return upright


def thumbnail_webp(image: Image.Image, size_px: int) -> bytes:
    """Encode a small copy as WebP without metadata.

    Args:
        image: An RGB picture; it is not changed.
        size_px: Longest side of the result; a smaller picture is not enlarged.

    Returns:
        The WebP file.
    """
    return to_webp(scaled_down(image, size_px))


def scaled_down(image: Image.Image, size_px: int, reducing_gap: float = 2.0) -> Image.Image:
    """A copy without metadata, its longest side at most `size_px`.

    Args:
        image: An RGB picture; it is not changed.
        size_px: Longest side; a smaller picture is not enlarged.
        reducing_gap: As Pillow has it. With 1.0 a half is made by averaging: of a picture that was scaled down
            before, that looks the same (46 dB) and takes a sixth of the time.
    """
    small = image.copy()
    small.info.clear()
    small.thumbnail((size_px, size_px), Image.Resampling.BICUBIC, reducing_gap=reducing_gap)
    return small


def to_webp(image: Image.Image) -> bytes:
    """The WebP file of an RGB picture, at the quality of thumbnails."""
    buffer = BytesIO()
    image.save(buffer, "WEBP", quality=THUMBNAIL_QUALITY, method=_WEBP_METHOD)
    return buffer.getvalue()


def _open(data: bytes, limits: ImageLimits) -> _Opened:
    if not data:
        raise ImageEmptyError("The picture has no bytes. Send the file again.")
    if len(data) > limits.max_bytes:
        raise ImageTooLargeError(
            f"The picture has {len(data):,} bytes; at most {limits.max_bytes:,} are accepted. "
            "Save it smaller or with more compression."
        )
    format_name = _allowed_format(data, limits)
    with _typed_errors(format_name, data), _quiet_pillow():
        image = Image.open(BytesIO(data), formats=[format_name])
        _check_size(image.size, limits)
        return _Opened(image, format_name, _orientation(image))


def _allowed_format(data: bytes, limits: ImageLimits) -> str:
    format_name = sniff(data)
    if format_name in limits.formats:
        return format_name
    kind = format_name or likely_kind(data)
    found = f"This looks like {kind}." if kind else "This is not a picture that can be read here."
    raise ImageFormatError(f"{found} Convert it to one of: {', '.join(sorted(limits.formats))}.")


def _check_size(size: tuple[int, int], limits: ImageLimits) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError("The picture has no pixels. Export it again.")
    if width * height > limits.max_pixels or max(size) > limits.max_side_px:
        raise ImageTooLargeError(
            f"The picture is {width} x {height} pixels; at most {limits.max_pixels:,} pixels and "
            f"{limits.max_side_px:,} a side are accepted. Scale it down first."
        )


def _orientation(image: Image.Image) -> int:
    try:
        # PNG's own `getexif` decodes every pixel to look for a chunk behind them: 17 ms a megapixel.
        return int(Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF makes Pillow raise almost anything; the pixels are still good
        return 1


def _is_animated(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # the second frame is damaged: the first one is what is used
        return True


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Keep Pillow's warnings about odd metadata out of the log and out of the caller's warning filters."""
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _typed_errors(format_name: str, data: bytes) -> Iterator[None]:
    """Turn whatever a decoder raises into an `ImageError`; Pillow raises almost every built-in exception."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError:
        raise ImageTooLargeError("The picture does not fit into memory. Scale it down first.") from None
    except Image.DecompressionBombError:
        raise ImageTooLargeError("The picture has too many pixels. Scale it down first.") from None
    except Exception as error:
        if "truncated" in str(error).lower() or ends_early(format_name, data):
            raise ImageTruncatedError(
                f"The {format_name} picture ends too early: part of the file is missing. Send it again."
            ) from error
        raise ImageError(f"The {format_name} picture is damaged. Export it again.") from error
