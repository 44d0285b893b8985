"""What is remembered of batches that did not fit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.encoder.batching.capacity import Capacity
from services.encoder.kinds import Kind

MOST = 32


def new() -> Capacity:
    return Capacity(dict.fromkeys(Kind, MOST))


def test_what_did_not_fit_is_remembered_for_its_kind() -> None:
    capacity = new()
    capacity.did_not_fit(Kind.IMAGE, 32)
    assert capacity.items(Kind.IMAGE) == 16
    assert capacity.items(Kind.QUERY) == MOST


def test_one_input_is_always_tried() -> None:
    capacity = new()
    capacity.did_not_fit(Kind.IMAGE, 1)
    assert capacity.items(Kind.IMAGE) == 1


@given(st.integers(1, MOST))
def test_it_finds_what_fits_and_seldom_tries_more(fits: int) -> None:
    capacity, failures, batches = new(), 0, 4000
    for _ in range(batches):
        items = capacity.items(Kind.IMAGE)
        if items > fits:
            failures += 1
            capacity.did_not_fit(Kind.IMAGE, items)
        else:
            capacity.fitted(Kind.IMAGE, items)
    assert failures <= 20
    assert capacity.items(Kind.IMAGE) >= fits // 2


def test_small_batches_prove_nothing() -> None:
    capacity = new()
    capacity.did_not_fit(Kind.IMAGE, 16)
    for _ in range(1000):
        capacity.fitted(Kind.IMAGE, 7)
    assert capacity.items(Kind.IMAGE) == 8


def test_when_the_others_have_left_the_memory_it_grows_back() -> None:
    capacity = new()
    capacity.did_not_fit(Kind.IMAGE, 32)
    for _ in range(1000):
        capacity.fitted(Kind.IMAGE, capacity.items(Kind.IMAGE))
    assert capacity.items(Kind.IMAGE) == MOST
