"""Queries and titles of known words, any number of them, no two the same."""

from __future__ import annotations

from itertools import product

_COLOURS = ("red", "green", "blue", "yellow", "white", "black", "orange", "purple", "brown", "grey")
_THINGS = (
    "dress", "bicycle", "cat", "rocket", "teapot", "guitar", "lantern", "mushroom", "tractor", "umbrella",
    "violin", "window", "castle", "sailboat", "pineapple", "helmet", "bridge", "candle", "penguin", "ladder",
)  # fmt: skip
_PLACES = ("garden", "harbour", "kitchen", "mountain", "station", "forest", "market", "library", "desert", "attic")
_LIGHTS = ("morning", "noon", "evening", "night", "fog", "rain", "snow", "sunshine", "dusk", "thunder")
WORDS = (*_COLOURS, *_THINGS, *_PLACES, *_LIGHTS)
LIMIT = len(_COLOURS) * len(_THINGS) * len(_PLACES) * len(_LIGHTS)
"""How many different phrases there are."""
_STRIDE = 7919
"""Prime and no divisor of LIMIT: neighbours differ in every word, and all come before one comes again."""
_ALL = tuple(product(_COLOURS, _THINGS, _PLACES, _LIGHTS))


def phrase(number: int) -> str:
    """Four words; different for every number below `LIMIT`."""
    return " ".join(_ALL[number * _STRIDE % LIMIT])
