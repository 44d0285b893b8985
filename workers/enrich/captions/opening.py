"""Opens what the settings describe: a client, a model behind it, and what is kept of its captions."""

from __future__ import annotations

from contextlib import AsyncExitStack

from services.common.chat.client import ChatServer, open_client
from services.common.chat.completion import CompletionModel
from services.common.chat.retries import Retries
from services.common.domain import Caption
from services.common.embeddings.breaker import Breaker
from services.common.media.images import ImageLimits
from services.common.objects import ObjectStore
from services.common.settings import SettingsError
from workers.caption_settings import CaptionSettings
from workers.enrich.captions.enricher import NAME, CaptionEnricher
from workers.enrich.captions.writer import CaptionOptions, CaptionWriter, log_failure
from workers.enrich.kept import KeptFindings

_RESPONSE_LIMIT_BYTES = 4 * 1024 * 1024


async def open_captions(
    settings: CaptionSettings, objects: ObjectStore, limits: ImageLimits, stack: AsyncExitStack
) -> CaptionEnricher:
    """Captions by the endpoint of the settings. Nothing is connected before the first picture.

    Args:
        settings: Name the endpoint.
        objects: Where captions are kept.
        limits: Pictures that are decoded at all.
        stack: Closes the client.

    Raises:
        SettingsError: The certificates for the endpoint cannot be read.
    """
    server = ChatServer(
        settings.caption_base_url,
        settings.caption_api_key.get_secret_value(),
        settings.caption_ca_path,
        settings.caption_proxy_url,
    )
    total_s = settings.caption_total_s
    try:
        client = await stack.enter_async_context(
            open_client(
                server,
                connect_s=settings.caption_connect_s,
                total_s=total_s,
                response_limit_bytes=_RESPONSE_LIMIT_BYTES,
            )
        )
    except OSError as error:
        raise SettingsError(f"IMAGERAG_WORKERS_CAPTION_CA_PATH: {error.strerror}") from None
    options = _options(settings)
    model = CompletionModel(
        client, options.model, total_s=total_s, retries=Retries(settings.caption_retries), failed=log_failure
    )
    writer = CaptionWriter(model, options, limits, Breaker(settings.caption_pause_s))
    kept = KeptFindings(objects, NAME, options.made_by(), Caption)
    return CaptionEnricher(writer, kept, settings.caption_concurrent)


def _options(settings: CaptionSettings) -> CaptionOptions:
    return CaptionOptions(
        model=settings.caption_model,
        language=settings.caption_language,
        picture_px=settings.caption_picture_px,
        answer_tokens=settings.caption_answer_tokens,
        tokens_field=settings.caption_answer_tokens_field,
        temperature=settings.caption_temperature,
        form=settings.caption_json,
        extra=settings.caption_extra(),
    )
