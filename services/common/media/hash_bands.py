"""Perceptual hashes by their bands, so that an index finds the near ones without reading the others. Pure."""

from __future__ import annotations

from functools import cache
from itertools import combinations

HASH_BITS = 64
BANDS = 4
MAX_DISTANCE_BITS = 11
"""Up to here two flipped bits in one band are enough: 548 keywords are looked up. A third would make it 2,788."""
_BAND_BITS = HASH_BITS // BANDS
_BAND_DIGITS = _BAND_BITS // 4


def distance_bits(one: str, other: str) -> int:
    """In how many bits two hashes differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def bands(perceptual_hash: str) -> list[str]:
    """Four keywords of 16 bits each to look a hash up by; none for a picture without a hash."""
    return [_keyword(band, value) for band, value in enumerate(_values(perceptual_hash))]


def probes(perceptual_hash: str, most_bits: int) -> list[str]:
    """Keywords of which every hash within a distance has at least one among its `bands`.

    Of four bands one holds no more than a quarter of the differing bits: that many are flipped in each.

    Args:
        perceptual_hash: Of the picture that others are looked for.
        most_bits: The distance, up to `MAX_DISTANCE_BITS`.
    """
    flipped = [mask for count in range(most_bits // BANDS + 1) for mask in _masks(count)]
    return [
        _keyword(band, value ^ mask) for band, value in enumerate(_values(perceptual_hash)) for mask in flipped
    ]


def _values(perceptual_hash: str) -> list[int]:
    return [
        int(perceptual_hash[start : start + _BAND_DIGITS], 16)
        for start in range(0, len(perceptual_hash), _BAND_DIGITS)
    ]


def _keyword(band: int, value: int) -> str:
    return f"{band}{value:0{_BAND_DIGITS}x}"


@cache
def _masks(count: int) -> tuple[int, ...]:
    return tuple(sum(1 << bit for bit in chosen) for chosen in combinations(range(_BAND_BITS), count))
