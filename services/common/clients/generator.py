"""The generator as its callers see it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from imagerag.v1 import generator_pb2, generator_pb2_grpc, types_pb2

from services.common.answer import Completion, Source
from services.common.rpc.answers import completion_from_proto, source_to_proto
from services.common.rpc.channel import call_metadata, stream, unary
from services.common.rpc.client import RpcClient


@dataclass(frozen=True)
class GeneratorDescription:
    """What a generator is.

    Attributes:
        model: "extractive", or a model's name.
        reads_images: Whether it looks at the pictures of its sources; else sending them is a waste.
    """

    model: str
    reads_images: bool


class GeneratorClient(RpcClient):
    """Calls one generator, or every replica behind one name."""

    health_name = generator_pb2.DESCRIPTOR.services_by_name["Generator"].full_name

    @property
    def _stub(self) -> generator_pb2_grpc.GeneratorAsyncStub:
        return generator_pb2_grpc.GeneratorStub(self.channel)

    async def describe(self, *, tenant: str = "", deadline_s: float | None = None) -> GeneratorDescription:
        """Ask what writes the answers."""
        request = generator_pb2.DescribeGeneratorRequest(context=types_pb2.RequestContext(tenant=tenant))
        call = self._stub.DescribeGenerator(
            request, timeout=deadline_s or self._deadline_s, metadata=call_metadata()
        )
        answer = await unary("generator", call)
        return GeneratorDescription(model=answer.model, reads_images=answer.reads_images)

    async def generate(
        self,
        *,
        tenant: str,
        question: str,
        sources: Sequence[Source],
        language: str = "",
        asked_with_image: bool = False,
        question_image: bytes | None = None,
        deadline_s: float | None = None,
    ) -> AsyncGenerator[str | Completion, None]:
        """Answer `question` from `sources`.

        Args:
            tenant: Whose data the sources are.
            question: At most the generator's own limit of characters.
            sources: Numbered from 1, best first.
            language: BCP 47; empty: the question's language.
            asked_with_image: The question came with a picture.
            question_image: That picture, encoded; only for a generator that looks at pictures.
            deadline_s: Longest wait for the whole answer.

        Yields:
            Pieces of the answer, in order, and its `Completion` last.

        Raises:
            InvalidRequestError: No question, too many sources, or repeated numbers.
            UnavailableError: The generator does not answer.
        """
        request = generator_pb2.GenerateRequest(
            context=types_pb2.RequestContext(tenant=tenant),
            question=question,
            sources=[source_to_proto(source) for source in sources],
            language=language,
            asked_with_image=asked_with_image,
            question_image=question_image or b"",
        )
        call = self._stub.Generate(request, timeout=deadline_s or self._deadline_s, metadata=call_metadata())
        async with aclosing(stream("generator", call)) as messages:
            async for message in messages:
                if message.WhichOneof("event") == "completion":
                    yield completion_from_proto(message.completion)
                else:
                    yield message.text
