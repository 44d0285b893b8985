"""Kubernetes quantities as numbers, see "Quantities" in the Kubernetes API reference."""

from __future__ import annotations

import re
from fractions import Fraction

_FACTORS = {
    "m": Fraction(1, 1000),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
}


def quantity(text: str | int | float) -> Fraction:
    """`500m` is 1/2, `2Gi` is 2147483648.

    Raises:
        ValueError: Not a quantity.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", str(text))
    if found is None or found[2] not in _FACTORS:
        raise ValueError(f"not a quantity: {text}")
    return Fraction(found[1]) * _FACTORS[found[2]]
