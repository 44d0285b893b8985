"""What computes the starter's pictures: ONNX Runtime or torch. The vectors are the same."""

from __future__ import annotations

from importlib.util import find_spec

from services.common.settings import SettingsError
from services.encoder.backends.starter import StarterBackend
from services.encoder.backends.starter_classifier import Classifier
from services.encoder.settings import EncoderSettings


def load_starter(settings: EncoderSettings) -> StarterBackend:
    """Load the starter as the settings want it. Torch is imported only where it computes.

    Raises:
        SettingsError: The settings want what the starter does not have.
        ModuleNotFoundError: A package of the chosen runtime is not installed.
    """
    refuse_foreign(settings)
    if chosen_runtime(settings) == "onnx":
        from services.encoder.backends.starter_onnx import OnnxClassifier

        return StarterBackend(OnnxClassifier(), settings.streams or settings.threads)
    return _in_torch(settings)


def _in_torch(settings: EncoderSettings) -> StarterBackend:
    from services.encoder.backends.devices import place
    from services.encoder.backends.starter_torch import TorchClassifier

    placement = place(settings.device, "float32", settings.threads, settings.streams)
    classifier: Classifier = TorchClassifier(placement.device)
    return StarterBackend(classifier, placement.streams)


def chosen_runtime(settings: EncoderSettings) -> str:
    """The answer to "auto": ONNX Runtime if it is installed, torch where CUDA is asked for or it is not.

    Returns:
        "onnx" or "torch".

    Raises:
        SettingsError: ONNX Runtime is asked for on CUDA.
    """
    if settings.runtime == "onnx" and settings.device == "cuda":
        raise SettingsError(
            "IMAGERAG_ENCODER_RUNTIME is onnx, which runs on the CPU, but IMAGERAG_ENCODER_DEVICE is cuda: write "
            "torch, or cpu for the device"
        )
    if settings.runtime != "auto":
        return settings.runtime
    return "onnx" if settings.device != "cuda" and find_spec("onnxruntime") else "torch"


def refuse_foreign(settings: EncoderSettings) -> None:
    """Stop at settings that the starter could only ignore.

    Raises:
        SettingsError: A precision or scales are set.
    """
    if settings.precision not in ("auto", "float32"):
        raise SettingsError(
            f"IMAGERAG_ENCODER_PRECISION is {settings.precision}, but the starter has float32 alone: write auto, "
            "or set IMAGERAG_ENCODER_MODEL to another model"
        )
    if settings.scales:
        raise SettingsError(
            f"IMAGERAG_ENCODER_SCALES is {settings.scales}, but the starter sees pictures at one size: leave it "
            "empty, or set IMAGERAG_ENCODER_MODEL to another model"
        )
