"""From the name in the settings to a loaded model."""

from __future__ import annotations

from services.common.settings import SettingsError
from services.encoder.backends.backend import Backend
from services.encoder.settings import EncoderSettings

STARTER_NAME = "starter"


def load_backend(settings: EncoderSettings) -> Backend:
    """Load the model; slow, and it may download from the model hub.

    Raises:
        SettingsError: The model is unknown, cannot be loaded, or its packages are not installed; the text says
            what to write or to install.
    """
    extra = "starter" if settings.model == STARTER_NAME else "encoder"
    try:
        return _load(settings)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"The model {settings.model!r} needs the package {error.name!r}: pip install 'imagerag[{extra}]'"
        ) from error


def _load(settings: EncoderSettings) -> Backend:
    from services.encoder.backends.devices import place

    placement = place(settings.device, settings.precision, settings.threads)
    if settings.model == STARTER_NAME:
        from services.encoder.backends.starter import StarterBackend

        return StarterBackend(placement)
    from services.encoder.backends.clip import NEWEST, ClipBackend

    return ClipBackend.load(settings.model, placement, settings.model_revision or NEWEST)
