"""Reading pictures in a process of its own: what kills it or hangs costs one picture, never the worker."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from pydantic import TypeAdapter

from services.common.media.images import ImageLimits
from workers.enrich.ocr.found import FoundText
from workers.sandbox.parts import Part
from workers.sandbox.resident import Resident, ResidentLimits

ANSWERER = "workers.enrich.ocr.process"
_TIME_SHARE = 0.6
"""Of the bounds: the piece that is being read then still has time to end."""
_FOUND: TypeAdapter[FoundText] = TypeAdapter(FoundText)


class PictureReader:
    """Reads pictures. Blocks; thread-safe. The process is started with the first picture.

    Args:
        limits: Of the pictures.
        bounds: Of the process.
        answerer: The module that reads; see `workers.sandbox.residence.Answerer`.
    """

    def __init__(self, limits: ImageLimits, bounds: ResidentLimits, answerer: str = ANSWERER) -> None:
        self._resident = Resident(answerer, _arguments(limits, bounds), bounds)

    def read(self, data: bytes) -> FoundText:
        """The text inside an encoded picture.

        Raises:
            ImageError: It cannot be decoded, or it ended the process that read it.
            UnimplementedError: What is needed for reading is not installed.
            UnavailableError: The process cannot be started now.
        """
        return _FOUND.validate_python(self._resident.ask(Part(data=data)).record)

    def close(self) -> None:
        """End the process."""
        self._resident.close()


def is_installed() -> bool:
    """Whether the package that reads is there; nothing is loaded."""
    return find_spec("rapidocr") is not None


def found_record(found: FoundText) -> dict[str, Any]:
    """What crosses the pipe."""
    record = _FOUND.dump_python(found, mode="json")
    assert isinstance(record, dict)
    return record


def _arguments(limits: ImageLimits, bounds: ResidentLimits) -> Mapping[str, Any]:
    accepted = {"max_bytes": limits.max_bytes, "max_pixels": limits.max_pixels, "max_side_px": limits.max_side_px}
    return {"limits": accepted, "cpu_s": bounds.cpu_s * _TIME_SHARE, "s": bounds.answer_s * _TIME_SHARE}
