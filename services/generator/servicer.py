"""The gRPC face of the generator: translates, decides nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from imagerag.v1 import generator_pb2, generator_pb2_grpc

from services.common.answer import Completion
from services.common.errors import UnimplementedError
from services.common.rpc.answers import completion_to_proto, source_from_proto
from services.common.tenant import check_tenant
from services.generator.metrics import observed
from services.generator.service import AnswerService, Question


class GeneratorServicer(generator_pb2_grpc.GeneratorServicer):
    """imagerag.v1.Generator over an `AnswerService`."""

    def __init__(self, service: AnswerService) -> None:
        self._service = service

    async def Generate(  # noqa: N802 (the contract's name)
        self, request: generator_pb2.GenerateRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[generator_pb2.GenerateResponse]:
        """Stream the answer; the completion is the last message."""
        question = _question(request)
        async with aclosing(self._service.answer(question)) as answer, aclosing(observed(answer)) as events:
            async for event in events:
                if isinstance(event, Completion):
                    yield generator_pb2.GenerateResponse(completion=completion_to_proto(event))
                else:
                    yield generator_pb2.GenerateResponse(text=event)

    async def DescribeGenerator(  # noqa: N802 (the contract's name)
        self, request: generator_pb2.DescribeGeneratorRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> generator_pb2.DescribeGeneratorResponse:
        """Say what writes the answers."""
        return generator_pb2.DescribeGeneratorResponse(
            model=self._service.model, reads_images=self._service.reads_images
        )


def _question(request: generator_pb2.GenerateRequest) -> Question:
    if request.response_schema_json:
        raise UnimplementedError("response_schema_json is reserved: answers follow no schema yet. Leave it empty.")
    tenant = check_tenant(request.context.tenant)
    return Question(
        text=request.question,
        sources=[source_from_proto(tenant, source) for source in request.sources],
        language=request.language,
        asked_with_image=request.asked_with_image,
        image=request.question_image or None,
    )
