"""Perceptual hashes by their bands."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.common.media.hash_bands import (
    BANDS,
    HASH_BITS,
    MAX_DISTANCE_BITS,
    bands,
    distance_bits,
    probes,
)

hashes = st.integers(0, 2**HASH_BITS - 1).map(lambda number: f"{number:016x}")


@given(hashes, st.sets(st.integers(0, HASH_BITS - 1), max_size=MAX_DISTANCE_BITS), st.data())
def test_whatever_is_within_the_distance_shares_a_keyword(
    one: str, flipped: set[int], data: st.DataObject
) -> None:
    other = f"{int(one, 16) ^ sum(1 << bit for bit in flipped):016x}"
    assert distance_bits(one, other) == len(flipped)
    most_bits = data.draw(st.integers(len(flipped), MAX_DISTANCE_BITS))
    assert set(probes(one, most_bits)) & set(bands(other))


@given(hashes, hashes)
def test_the_distance_is_symmetric_and_zero_only_to_itself(one: str, other: str) -> None:
    assert distance_bits(one, other) == distance_bits(other, one)
    assert (distance_bits(one, other) == 0) == (one == other)


@given(hashes)
def test_a_hash_is_told_by_its_bands(one: str) -> None:
    found = bands(one)
    assert [band[0] for band in found] == [str(number) for number in range(BANDS)]
    assert "".join(band[1:] for band in found) == one
    assert set(probes(one, 0)) == set(found)


def test_so_many_keywords_are_looked_up() -> None:
    counts = [len(set(probes("0123456789abcdef", bits))) for bits in (0, 3, 4, 7, 8, 11)]
    assert counts == [4, 4, 68, 68, 548, 548]


def test_a_plain_picture_has_no_keyword() -> None:
    assert bands("") == []
    assert probes("", 6) == []
