"""Composition root of the generator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
from imagerag.v1 import generator_pb2, generator_pb2_grpc

from services.common.rpc.server import RpcServer
from services.common.settings import SettingsError
from services.generator.backends.base import AnswerBackend
from services.generator.backends.extractive import ExtractiveBackend
from services.generator.service import AnswerLimits, AnswerService
from services.generator.servicer import GeneratorServicer
from services.generator.settings import GeneratorSettings

SERVICE_NAME = generator_pb2.DESCRIPTOR.services_by_name["Generator"].full_name
_CHARS_PER_TOKEN = 6
"""More than any language takes: the token limit ends a model's answer, not this one."""


@asynccontextmanager
async def compose(settings: GeneratorSettings) -> AsyncIterator[RpcServer]:
    """Open the backend and serve it.

    Raises:
        SettingsError: The certificates for the endpoint cannot be read.
    """
    async with AsyncExitStack() as stack:
        servicer = GeneratorServicer(await _service(settings, stack))

        def register(server: grpc.aio.Server) -> None:
            generator_pb2_grpc.add_GeneratorServicer_to_server(servicer, server)

        yield RpcServer.configured(settings, [SERVICE_NAME], register)


async def _service(settings: GeneratorSettings, stack: AsyncExitStack) -> AnswerService:
    extractive = ExtractiveBackend(
        cited_limit=settings.cited_limit, answer_limit_chars=settings.answer_limit_chars
    )
    if settings.backend == "extractive":
        return AnswerService(extractive, _limits(settings, settings.answer_limit_chars))
    model = await _openai(settings, stack)
    limits = _limits(settings, settings.openai_answer_tokens * _CHARS_PER_TOKEN)
    return AnswerService(model, limits, stand_in=extractive if settings.fallback else None)


def _limits(settings: GeneratorSettings, answer_chars: int) -> AnswerLimits:
    return AnswerLimits(
        question_chars=settings.question_limit_chars, sources=settings.sources_limit, answer_chars=answer_chars
    )


async def _openai(settings: GeneratorSettings, stack: AsyncExitStack) -> AnswerBackend:
    # Here, because the client takes 0.6 s and 40 MB to import, which the extractive backend has no use for.
    from services.common.chat.client import ChatServer, open_client
    from services.common.chat.retries import Retries
    from services.generator.backends.openai.backend import OpenAIBackend
    from services.generator.backends.openai.endpoint import (
        RESPONSE_LIMIT_BYTES,
        Deadlines,
        Endpoint,
        EndpointOptions,
    )
    from services.generator.backends.openai.slots import Slots
    from services.generator.prompting.prompt import Budget

    key = settings.openai_api_key.get_secret_value()
    options = EndpointOptions(
        model=settings.openai_model,
        answer_tokens=settings.openai_answer_tokens,
        tokens_field=settings.openai_answer_tokens_field,
        temperature=settings.openai_temperature,
        extra=settings.openai_extra(),
    )
    server = ChatServer(settings.openai_base_url, key, settings.openai_ca_path, settings.openai_proxy_url)
    deadlines = Deadlines(
        connect_s=settings.openai_connect_s,
        first_token_s=settings.openai_first_token_s,
        between_tokens_s=settings.openai_between_tokens_s,
        total_s=settings.openai_total_s,
    )
    budget = Budget(
        context=settings.openai_context_tokens,
        answer=settings.openai_answer_tokens,
        picture_side_px=settings.openai_picture_px,
        pictures=settings.openai_max_pictures,
    )
    try:
        client = await stack.enter_async_context(
            open_client(
                server,
                connect_s=deadlines.connect_s,
                total_s=deadlines.total_s,
                response_limit_bytes=RESPONSE_LIMIT_BYTES,
            )
        )
    except OSError as error:
        raise SettingsError(f"IMAGERAG_GENERATOR_OPENAI_CA_PATH: {error.strerror}") from None
    slots = Slots(settings.openai_concurrent, settings.openai_slot_wait_s)
    return OpenAIBackend(
        Endpoint(client, options, deadlines, Retries(settings.openai_retries), slots), budget, key
    )
