"""The process that reads: the model is loaded once, then one picture a question. Runs in the sandbox."""

from __future__ import annotations

import time
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
        arguments: `limits` of the pictures, see `services.common.media.images.ImageLimits`; `cpu_s` and `s`: after
            so much time no further piece of a picture is begun.

    Raises:
        UnimplementedError: The package is not installed, or something that it needs.
    """
    limits = ImageLimits(**arguments["limits"])
    lines = RapidOcrLines()

    def answer(question: Part) -> Part:
        began_cpu_s, began_s = time.process_time(), time.monotonic()

        def has_time() -> bool:
            used_cpu_s, used_s = time.process_time() - began_cpu_s, time.monotonic() - began_s
            return used_cpu_s < float(arguments["cpu_s"]) and used_s < float(arguments["s"])

        # A photograph of 50 megapixels is decoded at an eighth, not at once and then scaled down.
        picture = decode_rgb(question.data, limits, at_least_px=SIDE_PX)
        return Part(found_record(read_picture(lines, picture, has_time)))

    return answer
