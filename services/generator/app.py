"""Composition root of the generator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from imagerag.v1 import generator_pb2, generator_pb2_grpc

from services.common.rpc.server import RpcServer
from services.generator.backends.base import AnswerBackend
from services.generator.backends.extractive import ExtractiveBackend
from services.generator.service import AnswerLimits, AnswerService
from services.generator.servicer import GeneratorServicer
from services.generator.settings import GeneratorSettings

SERVICE_NAME = generator_pb2.DESCRIPTOR.services_by_name["Generator"].full_name


@asynccontextmanager
async def compose(settings: GeneratorSettings) -> AsyncIterator[RpcServer]:
    """Open the backend and serve it."""
    limits = AnswerLimits(
        question_chars=settings.question_limit_chars,
        sources=settings.sources_limit,
        answer_chars=settings.answer_limit_chars,
    )
    servicer = GeneratorServicer(AnswerService(_backend(settings), limits))

    def register(server: grpc.aio.Server) -> None:
        generator_pb2_grpc.add_GeneratorServicer_to_server(servicer, server)

    yield RpcServer(settings.host, settings.port, [SERVICE_NAME], register)


def _backend(settings: GeneratorSettings) -> AnswerBackend:
    return ExtractiveBackend(cited_limit=settings.cited_limit, answer_limit_chars=settings.answer_limit_chars)
