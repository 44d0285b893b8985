from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.common.clients.encoder_inputs import Encoded, EncoderInput, TextInput
from services.common.embeddings.cached_stream import CachedStream, Sought
from services.common.errors import ImageFormatError, ImageragError

NAMES = st.sampled_from("abcdef")
GROUPS = st.lists(st.lists(NAMES, max_size=6), max_size=6)


class _Encoder:
    """Answers in the order that `late` says: an input is held back for as many others as its name asks for."""

    def __init__(self, late: dict[str, int], bad: set[str]) -> None:
        self.asked: list[str] = []
        self._late, self._bad = late, bad

    async def stream(
        self, inputs: AsyncIterable[tuple[str, EncoderInput]]
    ) -> AsyncGenerator[tuple[str, Encoded], None]:
        held: list[tuple[int, str]] = []
        async for name, content in inputs:
            assert isinstance(content, TextInput)
            assert content.text == name
            self.asked.append(name)
            held = [(left - 1, other) for left, other in held] + [(self._late.get(name, 0), name)]
            ready = [other for left, other in held if left <= 0]
            held = [(left, other) for left, other in held if left > 0]
            for other in ready:
                yield other, self._answer(other)
        for _, other in held:
            yield other, self._answer(other)

    def _answer(self, name: str) -> Encoded:
        return ImageFormatError(name) if name in self._bad else np.array([ord(name)], np.float32)


@given(groups=GROUPS, late=st.dictionaries(NAMES, st.integers(0, 5)), bad=st.sets(NAMES))
def test_every_input_has_one_outcome_and_of_each_name_one_goes_to_the_encoder(
    groups: list[list[str]], late: dict[str, int], bad: set[str]
) -> None:
    encoder = _Encoder(late, bad)
    numbered = [
        [Sought((at, place), name, TextInput(name)) for place, name in enumerate(group)]
        for at, group in enumerate(groups)
    ]

    async def source() -> AsyncIterator[Sequence[Sought[tuple[int, int]]]]:
        for group in numbered:
            yield group

    async def run() -> list[tuple[tuple[int, int], Encoded]]:
        stream: CachedStream[tuple[int, int]] = CachedStream(None, 1)
        return [outcome async for outcome in stream.outcomes(source(), encoder.stream)]

    outcomes = asyncio.run(run())

    wanted = {sought.key: sought.name for group in numbered for sought in group}
    assert sorted(key for key, _ in outcomes) == sorted(wanted)
    assert sorted(encoder.asked) == sorted(set(wanted.values()))
    for key, encoded in outcomes:
        name = wanted[key]
        if isinstance(encoded, ImageragError):
            assert name in bad
        else:
            assert name not in bad
            assert encoded.tolist() == [ord(name)]
