"""The embeddings that a process used last, and when it leaves a server alone."""

from __future__ import annotations

import sys
from collections import OrderedDict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.common.embeddings.breaker import Breaker
from services.common.embeddings.memory import RecentVectors

KEYS = st.sampled_from([f"key-{number}" for number in range(6)])
STEPS = st.lists(st.tuples(st.sampled_from(["get", "put"]), KEYS, st.integers(1, 40)), max_size=60)


def cost_bytes(key: str, dim: int) -> int:
    memory = RecentVectors(1 << 20)
    memory.put(key, np.zeros(dim, np.float32))
    return memory.size_bytes


@given(limit_bytes=st.integers(0, 2_000), steps=STEPS)
def test_it_holds_what_was_used_last_and_never_more_than_its_limit(
    limit_bytes: int, steps: list[tuple[str, str, int]]
) -> None:
    memory, model = RecentVectors(limit_bytes), OrderedDict[str, int]()
    for step, key, dim in steps:
        if step == "put":
            memory.put(key, np.full(dim, dim, np.float32))
            model.pop(key, None)
            if cost_bytes(key, dim) <= limit_bytes:
                model[key] = dim
            while sum(cost_bytes(*each) for each in model.items()) > limit_bytes:
                model.popitem(last=False)
        else:
            held = memory.get(key)
            assert (None if held is None else held.tolist()) == (
                [model[key]] * model[key] if key in model else None
            )
            if key in model:
                model.move_to_end(key)
        assert memory.size_bytes == sum(cost_bytes(*each) for each in model.items()) <= limit_bytes


def test_what_it_counts_is_no_less_than_what_python_takes() -> None:
    memory = RecentVectors(1 << 30)
    keys = [f"imagerag:vector:model@1:image:{number:064x}" for number in range(2_000)]
    for key in keys:
        memory.put(key, np.zeros(512, np.float32))
    held = memory._held
    real_bytes = sys.getsizeof(held) + sum(
        sys.getsizeof(key) + sys.getsizeof(value) for key, value in held.items()
    )
    assert real_bytes <= memory.size_bytes <= 1.2 * real_bytes


def test_a_row_does_not_keep_its_batch() -> None:
    batch = np.zeros((64, 8), np.float32)
    memory = RecentVectors(1 << 20)
    memory.put("row", batch[3])
    batch[3] = 1
    held = memory.get("row")
    assert held is not None
    assert not held.any()
    assert not held.flags.writeable


def test_a_server_that_failed_is_left_alone_and_then_tried_by_one() -> None:
    now = [100.0]
    breaker = Breaker(5.0, lambda: now[0])
    assert breaker.lets_through()
    breaker.failed()
    assert not breaker.lets_through()
    now[0] += 4.9
    assert not breaker.lets_through()
    now[0] += 0.2
    assert [breaker.lets_through() for _ in range(3)] == [True, False, False]
    breaker.failed()
    now[0] += 5.1
    assert breaker.lets_through()
    breaker.succeeded()
    assert [breaker.lets_through() for _ in range(3)] == [True, True, True]
