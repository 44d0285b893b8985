"""Composition root of the vision-language model."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from services.common.media.images import ImageLimits
from services.common.settings import SettingsError
from services.common.web.server import HttpServer
from services.vision.backends.base import Backend
from services.vision.routes import VisionRoutes
from services.vision.service import VisionService
from services.vision.settings import VisionSettings
from services.vision.wire import CallLimits


@asynccontextmanager
async def compose(settings: VisionSettings) -> AsyncIterator[HttpServer]:
    """Load the model and yield the server.

    Raises:
        SettingsError: No model is named, it cannot be loaded, or would be open to the network without a key.
    """
    if not settings.model:
        raise SettingsError("IMAGERAG_VISION_MODEL: write the hub id or the folder of a vision-language model")
    _check_exposure(settings)
    backend = await asyncio.to_thread(_load, settings)
    yield HttpServer(application(settings, backend), settings.host, settings.port)


def application(settings: VisionSettings, backend: Backend) -> Starlette:
    """The HTTP application over a loaded model."""
    limits = CallLimits(
        answer_tokens=settings.answer_limit_tokens,
        pictures=settings.pictures_limit,
        picture_px=settings.picture_px,
        images=ImageLimits(max_bytes=settings.body_limit_bytes, max_pixels=settings.picture_limit_pixels),
    )
    key = settings.api_key.get_secret_value() if settings.api_key else None
    service = VisionService(backend, settings.waiting_limit)
    return Starlette(routes=VisionRoutes(service, limits, settings.body_limit_bytes, key).routes())


def _load(settings: VisionSettings) -> Backend:
    try:
        # Here, because torch takes seconds to import, and a wrong setting should be told at once.
        from services.vision.backends.transformers_model import Placement, load_model
    except ImportError as error:
        raise SettingsError(f"The model needs {error.name}: pip install 'imagerag[captions-local]'") from None

    placement = Placement(settings.device, settings.precision, settings.threads, settings.answer_limit_s)
    return load_model(settings.model, settings.model_revision, settings.weights_path, placement)


def _check_exposure(settings: VisionSettings) -> None:
    if settings.api_key is None and not _is_loopback(settings.host):
        raise SettingsError(
            f"IMAGERAG_VISION_HOST: {settings.host} can be reached from other machines. "
            "Set IMAGERAG_VISION_API_KEY, or listen on 127.0.0.1."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
