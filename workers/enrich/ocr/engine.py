"""RapidOCR: PaddleOCR's models for Chinese and English print in ONNX Runtime, weights in the package.

The only importer of `rapidocr`. It finds lines (DBNet) and reads them (SVTR); whether the whole picture lies on
its side is decided in `picture`, so the model that turns single lines is not asked.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from services.common.errors import UnimplementedError
from workers.enrich.ocr.lines import TextLine
from workers.enrich.ocr.picture import Pixels
from workers.enrich.ocr.tiles import SIDE_PX

_PARAMETERS = {
    "Global.log_level": "critical",
    "Global.use_cls": False,
    "Global.max_side_len": SIDE_PX,
    # One thread: the other processors decode, encode and answer meanwhile.
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}
_GRAPHICS = "libGL"


class RapidOcrLines:
    """Finds and reads lines; see `LineReader`. Loads the models, a second or two.

    Raises:
        UnimplementedError: The package is not installed, or something that it needs.
    """

    def __init__(self) -> None:
        self._engine = _loaded()

    def lines(self, pixels: Pixels) -> list[TextLine]:
        """See `LineReader.lines`."""
        found = self._engine(pixels[:, :, ::-1], text_score=0.0)
        if not found.txts:
            return []
        return [
            TextLine(text, float(score), _corners(corners))
            for text, score, corners in zip(found.txts, found.scores, found.boxes, strict=True)
        ]


def _loaded() -> Any:
    try:
        from rapidocr import RapidOCR
    except ImportError as error:
        raise UnimplementedError(_what_is_missing(str(error))) from None
    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
    return RapidOCR(params=_PARAMETERS)


def _what_is_missing(error: str) -> str:
    if _GRAPHICS in error:
        return (
            "Reading pictures needs OpenCV, and this machine has no graphics libraries for it: pip uninstall "
            "opencv-python, then pip install opencv-python-headless."
        )
    return "Reading pictures needs a package: pip install 'imagerag[ocr]'."


def _corners(corners: Any) -> Any:
    return tuple((float(x), float(y)) for x, y in np.asarray(corners, np.float64))
