"""The golden gate: a model is served only if it gives the vectors of its float32 reference.

What goes wrong in an encoder goes wrong silently: another precision, a batch that mixes its rows, padding that is
attended to, two threads that share a buffer. So the odd inputs of `golden_inputs` are embedded in the ways callers
will have them embedded, in full batches and in small ones on all streams at once, and compared with their
reference vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from services.common.clients.encoder import TextRole
from services.common.domain import Vector
from services.common.settings import SettingsError
from services.encoder.backends.backend import PRECISION_CLASSES, Backend, DeviceMemoryError
from services.encoder.backends.golden_inputs import TEXTS, pictures, probes

LOWEST_COSINES = {"float": 0.999, "int8": 0.99}
"""To the reference, by precision class."""
TOP = 10
TIE_SHARE = 0.1
"""Scores closer than this share of what lies between a query's best and worst count as equal where rankings are
compared: the last places of a top 10 hold near ties, which any rounding swaps. bfloat16 needs 0.03 of it and int8
0.06, on small models of random weights."""
_LENGTH_TOLERANCE = 1e-3
_FULL_ITEMS = 16
_SMALL_ITEMS = (1, 3, 2, 5)


@dataclass(frozen=True)
class References:
    """What the golden set is to come out as.

    Attributes:
        pictures: Unit rows in the order of `golden_inputs.pictures()`, float32 [n, dim].
        texts: The same for `TEXTS`, by role; a role that is absent is not checked.
        probes: The same for `golden_inputs.probes()`; None unless rankings are to be compared.
    """

    pictures: Vector
    texts: Mapping[TextRole, Vector]
    probes: Vector | None = None


class Agreement(NamedTuple):
    """How near a backend is to its reference.

    Attributes:
        cosine: The lowest.
        worst: The input and the way of embedding it that gave it.
        rows: How many vectors were compared.
    """

    cosine: float
    worst: str
    rows: int


class _Part(NamedTuple):
    """Inputs of one kind with their reference rows."""

    kind: str
    names: Sequence[str]
    inputs: Sequence[Any]
    references: Vector
    encode: Callable[[Sequence[Any], int], Vector]


def check(backend: Backend, references: References, threads: int = 1) -> Agreement:
    """Let a backend pass, or say by how much it fails.

    Args:
        backend: As it is going to be served.
        references: Of the same model.
        threads: For a batch that runs alone; batches that run at once have one each.

    Raises:
        SettingsError: A vector is too far from its reference; the text names the input and the cosine.
    """
    served = backend.description
    try:
        agreement = _near(compare(backend, references, threads), backend)
        if references.probes is not None:
            _check_ranking(backend, references, references.probes, threads)
        return agreement
    except DeviceMemoryError as error:
        raise SettingsError(
            f"The model {served.model!r} in {served.precision} leaves no memory on the {served.device} for a "
            "small batch: give it more, or set IMAGERAG_ENCODER_MODEL to a smaller model"
        ) from error


def _near(agreement: Agreement, backend: Backend) -> Agreement:
    precision = backend.description.precision
    needed = LOWEST_COSINES[PRECISION_CLASSES[precision]]
    # Not "<": a cosine that is no number fails as well.
    if not agreement.cosine >= needed:
        raise SettingsError(
            f"{_refusal(backend)}: the cosine of {agreement.worst} to its reference is {agreement.cosine:.4f}, "
            f"and {needed} is needed. {_advice(precision)}"
        )
    return agreement


def compare(backend: Backend, references: References, threads: int = 1) -> Agreement:
    """Embed the golden set in every way and find the vector that is farthest from its reference."""
    parts = list(_parts(backend, references))
    served = backend.description
    most = min(_FULL_ITEMS, served.batch_items)
    found = [*_in_full_batches(parts, most, threads), *_in_small_batches(parts, most, served.streams)]
    worst = min(found, key=lambda one: one.cosine if np.isfinite(one.cosine) else -np.inf)
    return worst._replace(rows=sum(one.rows for one in found))


def _parts(backend: Backend, references: References) -> Iterator[_Part]:
    prepare = backend.description.preprocessing
    odd = pictures()
    yield _Part(
        "picture", list(odd), [prepare(one) for one in odd.values()], references.pictures, backend.encode_images
    )
    for role, rows in references.texts.items():
        prepared = [backend.prepare_text(text, role) for text in TEXTS.values()]
        yield _Part(role.name.lower(), list(TEXTS), prepared, rows, _text_encoder(backend, role))


def _text_encoder(backend: Backend, role: TextRole) -> Callable[[Sequence[Any], int], Vector]:
    def encode(prepared: Sequence[Any], threads: int) -> Vector:
        return backend.encode_texts(prepared, role, threads)

    return encode


def _in_full_batches(parts: Sequence[_Part], most: int, threads: int) -> Iterator[Agreement]:
    for part in parts:
        order = list(range(len(part.inputs)))
        for start in range(0, len(order), most):
            yield _agreement(part, order[start : start + most], "in a full batch", threads)


def _in_small_batches(parts: Sequence[_Part], most: int, streams: int) -> Iterator[Agreement]:
    """In other company and at other places than in the full batch, as many at once as will be served at once."""
    with ThreadPoolExecutor(streams, thread_name_prefix="golden") as executor:
        batches = zip_longest(*(_small_batches(len(part.inputs), most) for part in parts))
        waiting = [
            executor.submit(_agreement, part, members, "in a small batch beside others", 1)
            for turn in batches
            for part, members in zip(parts, turn, strict=True)
            if members
        ]
        for future in waiting:
            yield future.result()


def _small_batches(items: int, most: int) -> Iterator[list[int]]:
    """Positions from the last to the first, in batches of changing size."""
    left = list(reversed(range(items)))
    turn = 0
    while left:
        size = min(most, _SMALL_ITEMS[turn % len(_SMALL_ITEMS)])
        yield left[:size]
        left = left[size:]
        turn += 1


def _agreement(part: _Part, members: Sequence[int], way: str, threads: int) -> Agreement:
    """Embed some inputs of a part in one batch."""
    rows = part.encode([part.inputs[member] for member in members], threads)
    expected = part.references[list(members)]
    if rows.shape != expected.shape:
        return Agreement(float("nan"), f"a batch of shape {rows.shape} (expected {expected.shape})", len(members))
    lengths = np.linalg.norm(rows, axis=1)
    cosines = (rows * expected).sum(1) / lengths
    # A row that is not of unit length is no vector of this space, wherever it points.
    cosines[abs(lengths - 1) > _LENGTH_TOLERANCE] = np.nan
    worst = int(np.where(np.isfinite(cosines), cosines, -np.inf).argmin())
    name = f"the {part.kind} {part.names[members[worst]]!r} {way}"
    if not np.isfinite(cosines[worst]):
        name += f" (a vector of length {lengths[worst]:.4f})"
    return Agreement(float(cosines[worst]), name, len(members))


def _check_ranking(backend: Backend, references: References, expected: Vector, threads: int) -> None:
    """See that the pictures of the probe set are found in the reference's order.

    Raises:
        SettingsError: A picture is in a top 10 that the reference would not put there.
    """
    prepared = [backend.description.preprocessing(probe) for probe in probes()]
    candidates = _in_batches(backend.encode_images, prepared, threads)
    for part in _parts(backend, references):
        asked = _in_batches(part.encode, part.inputs, threads)
        lost = misplaced(part.references @ expected.T, asked @ candidates.T)
        if lost:
            raise SettingsError(
                f"{_refusal(backend)}: for the {part.kind} {part.names[lost[0]]!r} another picture is among the "
                f"first {TOP} of {len(expected)}; so it is for {len(lost)} of {len(part.names)}. "
                f"{_advice(backend.description.precision)}"
            )


def misplaced(expected: Vector, found: Vector) -> list[int]:
    """Queries whose `TOP` best differ by more than ties.

    Args:
        expected: Scores of the reference, float32 [queries, candidates].
        found: Scores of the backend, of the same shape.

    Returns:
        Indices of queries that found a candidate which the reference puts behind its own last, and no tie with it.
    """
    first = np.argsort(-found, axis=1)[:, :TOP]
    last_scores = -np.sort(-expected, axis=1)[:, :TOP][:, -1]
    ties = TIE_SHARE * (expected.max(axis=1) - expected.min(axis=1))
    kept = np.take_along_axis(expected, first, axis=1).min(axis=1)
    return [int(query) for query in np.flatnonzero(kept < last_scores - ties)]


def _in_batches(encode: Callable[[Sequence[Any], int], Vector], inputs: Sequence[Any], threads: int) -> Vector:
    starts = range(0, len(inputs), _FULL_ITEMS)
    return np.concatenate([encode(inputs[start : start + _FULL_ITEMS], threads) for start in starts])


def _refusal(backend: Backend) -> str:
    served = backend.description
    return (
        f"The model {served.model!r} is not served, for in {served.precision} on {served.device} it does not give "
        "the vectors of its float32 reference"
    )


def _advice(precision: str) -> str:
    if precision == "float32":
        return "Set IMAGERAG_ENCODER_MODEL to another model: this one is damaged or not supported."
    return "Set IMAGERAG_ENCODER_PRECISION to float32."
