"""The process that reads: the model is loaded once, then one picture a question. Runs in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.common.media.images import ImageLimits, decode_rgb
from workers.enrich.ocr.engine import RapidOcrLines
from workers.enrich.ocr.picture import read_picture
from workers.enrich.ocr.reader import found_record
from workers.enrich.ocr.tiles import SIDE_PX
from workers.sandbox.parts import Part
from workers.sandbox.residence import Answerer


def open_answerer(arguments: Mapping[str, Any]) -> Answerer:
    """Load the model.

    Args:
        arguments: Limits of the pictures, see `services.common.media.images.ImageLimits`.

    Raises:
        UnimplementedError: The package is not installed, or something that it needs.
    """
    limits = ImageLimits(**arguments)
    lines = RapidOcrLines()

    def answer(question: Part) -> Part:
        # A photograph of 50 megapixels is decoded at an eighth, not at once and then scaled down.
        picture = decode_rgb(question.data, limits, at_least_px=SIDE_PX)
        return Part(found_record(read_picture(lines, picture)))

    return answer
