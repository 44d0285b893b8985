"""Bounds on numbers and depth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import InvalidRequestError
from services.store.translate.limits import PAYLOAD_DEPTH, OutOfRangeError, check_payload, check_range

flat = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
payloads = st.recursive(
    flat, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


def nested(levels: int, as_list: bool) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value] if as_list else {"a": value}
    return value


@given(st.dictionaries(st.text(max_size=3), payloads, max_size=3))
def test_ordinary_payloads_pass(payload: dict[str, object]) -> None:
    check_payload(payload)


@pytest.mark.parametrize("as_list", [True, False])
def test_depth_is_bounded(as_list: bool) -> None:
    check_payload(nested(PAYLOAD_DEPTH, as_list))
    with pytest.raises(InvalidRequestError, match="deeper"):
        check_payload(nested(PAYLOAD_DEPTH + 1, as_list))


def test_the_deepest_branch_counts() -> None:
    with pytest.raises(InvalidRequestError, match="deeper"):
        check_payload({"flat": 1, "deep": [1, nested(PAYLOAD_DEPTH, as_list=True)]})


def test_ranges() -> None:
    assert check_range(1, "limit", minimum=1) == 1
    for value in (0, -5, 2**32):
        with pytest.raises(OutOfRangeError, match="limit"):
            check_range(value, "limit", minimum=1)
