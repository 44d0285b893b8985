"""From the name in the settings to a loaded model that has passed the golden gate."""

from __future__ import annotations

from dataclasses import replace

import structlog

from services.common.settings import SettingsError
from services.encoder.backends import golden
from services.encoder.backends.backend import Backend
from services.encoder.backends.openmp import wait_briefly
from services.encoder.settings import EncoderSettings

log = structlog.get_logger(__name__)
STARTER_NAME = "starter"


def load_backend(settings: EncoderSettings) -> Backend:
    """Load the model and hold it against its references; slow, and it may download from the model hub.

    Raises:
        SettingsError: The model is unknown, cannot be loaded, does not give the vectors it should, or its packages
            are not installed; the text says what to write or to install.
    """
    try:
        return _load(settings)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"The model {settings.model!r} needs the package {error.name!r}: "
            f"pip install 'imagerag[{_extra(settings)}]'"
        ) from error


def _extra(settings: EncoderSettings) -> str:
    """What installs the packages of the model."""
    if settings.model != STARTER_NAME:
        return "encoder"
    return "starter-torch" if settings.runtime == "torch" or settings.device == "cuda" else "starter"


def _load(settings: EncoderSettings) -> Backend:
    wait_briefly()
    if settings.model == STARTER_NAME:
        from services.encoder.backends import starter_golden, starter_runtime

        return _passed(starter_runtime.load_starter(settings), starter_golden.gate(), settings.threads)
    from services.encoder.backends.devices import place
    from services.encoder.backends.golden_reference import references
    from services.encoder.backends.torch_backend import TorchBackend
    from services.encoder.backends.towers import NEWEST, load_towers

    placement = place(settings.device, settings.precision, settings.threads, settings.streams)
    towers = load_towers(settings.model, settings.model_revision or NEWEST, settings.scales_px())
    expected = references(towers, with_probes=placement.precision == "int8", threads=settings.threads)
    # Without the pipeline, whose tokenizer of 256,000 words nobody needs any more.
    return _passed(TorchBackend(replace(towers, pipeline=None), placement), expected, settings.threads)


def _passed(backend: Backend, references: golden.References, threads: int) -> Backend:
    agreement = golden.check(backend, references, threads)
    log.info("golden_gate_passed", lowest_cosine=agreement.cosine, worst=agreement.worst, vectors=agreement.rows)
    return backend
