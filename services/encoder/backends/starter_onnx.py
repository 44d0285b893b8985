"""The starter's picture classifier in ONNX Runtime: on a CPU four times as fast as torch, which stays unloaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from services.common.media.preprocessing import Pixels
from services.encoder.backends.backend import DeviceMemoryError
from services.encoder.backends.starter_classifier import Classified
from services.encoder.backends.starter_layers import fold
from services.encoder.backends.starter_weights import classifier_path, read

GRAPH = Path(__file__).with_name("starter_graph.onnx")
RUN_ITEMS = 4
"""More at once is slower (177 img/s by fours, 139 by 16), and the session keeps the memory of its largest run."""
_MEMORY_SIGNS = ("Failed to allocate memory", "bad_alloc")


class OnnxClassifier:
    """One session of one thread, entered by as many callers as there are streams.

    A second thread inside a session saves a lone picture nothing that can be measured (5.5 ms with one, 5.7 with
    two on two cores) and makes a full batch wait at every layer while decoding threads are busy. A session that
    two callers enter keeps 90 MB for batches of four and does not grow.
    """

    def __init__(self) -> None:
        # The session refers to these arrays: they must live as long as it does.
        self._weights = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy(array)
            for name, array in fold(read(classifier_path())).items()
        }
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # What fails is raised, and logged by whoever ends up with it.
        options.log_severity_level = 4
        options.add_external_initializers(list(self._weights), list(self._weights.values()))
        self._session = onnxruntime.InferenceSession(
            GRAPH.read_bytes(), options, providers=["CPUExecutionProvider"]
        )

    @property
    def device(self) -> str:
        """See `Classifier.device`."""
        return "cpu"

    def classify(self, pixels: Sequence[Pixels], threads: int) -> Classified:
        """See `Classifier.classify`; `threads` is without meaning."""
        starts = range(0, len(pixels), RUN_ITEMS)
        try:
            runs = [self._run(pixels[start : start + RUN_ITEMS]) for start in starts]
        except Exception as error:
            # ONNX Runtime has no class of its own for it.
            if any(sign in str(error) for sign in _MEMORY_SIGNS):
                raise DeviceMemoryError from error
            raise
        features, logits = (np.concatenate(parts) for parts in zip(*runs, strict=True))
        return Classified(features, logits)

    def _run(self, pixels: Sequence[Pixels]) -> Classified:
        features, logits = self._session.run(["features", "logits"], {"pixels": np.stack(pixels)})
        return Classified(features, logits)
