"""Whatever calls come, break and answer: every input ends exactly once."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.common.clients.encoder_inputs import PictureInput
from services.common.clients.unanswered import Unanswered

MOST_BREAKS = 3
CALLS = st.integers(0, 3)


class Stream(RuleBasedStateMachine):
    """A model: where each input is."""

    def __init__(self) -> None:
        super().__init__()
        self.unanswered: Unanswered[int] = Unanswered(MOST_BREAKS)
        self.added = 0
        self.sizes: dict[int, int] = {}
        self.waiting: set[int] = set()
        self.under_way: dict[int, int] = {}
        self.breaks: Counter[int] = Counter()
        self.ended: Counter[int] = Counter()

    @rule(size=st.integers(0, 50))
    def add(self, size: int) -> None:
        """The numbers on the wire count up, as the keys here do."""
        content = PictureInput(b"x" * size)
        self.unanswered.add(self.added, content)
        self.sizes[self.added] = content.size_bytes
        self.waiting.add(self.added)
        self.added += 1

    @rule(call=CALLS, most_items=st.integers(1, 4), most_bytes=st.integers(1, 400))
    def take(self, call: int, most_items: int, most_bytes: int) -> None:
        """The oldest go first, within the bounds, and no call is sent nothing while something waits."""
        taken = [number for number, _ in self.unanswered.take(call, most_items, most_bytes)]
        assert taken == sorted(self.waiting)[: len(taken)]
        assert len(taken) <= most_items
        assert bool(taken) == bool(self.waiting)
        assert len(taken) <= 1 or sum(self.sizes[number] for number in taken) <= most_bytes
        self.waiting -= set(taken)
        self.under_way.update(dict.fromkeys(taken, call))

    @rule(call=CALLS, data=st.data())
    def answer(self, call: int, data: st.DataObject) -> None:
        """Any number, also one that was never given out, one of another call, and one that has its outcome."""
        number = data.draw(st.integers(0, self.added + 1))
        keys = self.unanswered.answer(call, number)
        assert keys == ([number] if self.under_way.get(number) == call else [])
        for key in keys:
            del self.under_way[key]
            self.ended[key] += 1

    @rule(call=CALLS, broken=st.booleans())
    def end(self, call: int, broken: bool) -> None:
        """What a call leaves waits again, unless it was in too many broken ones."""
        left = {number for number, carrier in self.under_way.items() if carrier == call}
        assert self.unanswered.carries(call) == bool(left)
        given_up = self.unanswered.end(call, broken=broken)
        self.breaks.update(left if broken else ())
        assert set(given_up) == {number for number in left if self.breaks[number] >= MOST_BREAKS}
        self.ended.update(given_up)
        for number in left:
            del self.under_way[number]
        self.waiting |= left - set(given_up)

    @invariant()
    def every_input_is_in_one_place(self) -> None:
        """Waiting, under way, or ended once."""
        inside = self.waiting | self.under_way.keys()
        assert len(self.waiting) + len(self.under_way) + len(self.ended) == self.added
        assert set(self.ended.values()) <= {1}
        assert len(self.unanswered) == len(inside)
        assert self.unanswered.size_bytes == sum(self.sizes[number] for number in inside)
        assert self.unanswered.waiting == bool(self.waiting)


Stream.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestStream = Stream.TestCase
