import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import InvalidRequestError
from services.gateway.strict_json import MAX_DEPTH, count_parts, read_json, read_object

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(VALUES)
def test_json_comes_back_as_it_was(value: object) -> None:
    assert read_json(json.dumps(value, ensure_ascii=False)) == value


@pytest.mark.parametrize(
    "body", [b"NaN", b"[Infinity]", b'{"a": -Infinity}', b"", b"{", b'{"a": 1,}', b"\xff", b'"\xed\xa0\x80"']
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        read_json(body)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_ends_at_the_limit(opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    read_json(opening * MAX_DEPTH + "0" + closing * MAX_DEPTH)
    for depth in (MAX_DEPTH + 1, 1000, 200_000):
        with pytest.raises(InvalidRequestError):
            read_json(opening * depth + "0" + closing * depth)


def test_a_million_terms_cost_little() -> None:
    body = json.dumps({"filter": {"price": {"any": list(range(150_000))}}})
    assert len(body) < 1024 * 1024 * 1.2
    started = time.process_time()
    read_object(body)
    assert time.process_time() - started < 0.1


@pytest.mark.parametrize("body", ["[]", "1", '"text"', "null"])
def test_an_object_is_an_object(body: str) -> None:
    with pytest.raises(InvalidRequestError, match="JSON object"):
        read_object(body)


@given(st.dictionaries(st.text(), VALUES), st.integers(0, 40))
def test_parts_are_counted_until_there_are_enough(value: dict[str, Any], enough: int) -> None:
    def parts(part: Any) -> int:
        children = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        return len(children) + sum(map(parts, children))

    found = count_parts(value, enough)
    assert found == parts(value) if found <= enough else parts(value) > enough
