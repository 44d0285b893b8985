from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.pace import Pace


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    pace = Pace()
    assert (pace.rate_per_s(), pace.eta_s(5)) == (None, None)
    for second in range(100):
        pace.look(second, 10 * second if second < 50 else 500 + 2 * (second - 50))
    assert pace.rate_per_s() == pytest.approx(2, abs=0.1)
    assert pace.eta_s(20) == pytest.approx(10, rel=0.1)
    assert pace.eta_s(0) == 0


def test_what_stands_still_has_no_end() -> None:
    pace = Pace()
    pace.look(0, 7)
    pace.look(5, 7)
    assert pace.rate_per_s() == 0
    assert pace.eta_s(1) is None


@given(st.lists(st.tuples(st.floats(0, 60), st.integers(0, 1000)), min_size=2, max_size=50))
def test_a_rate_is_never_negative(steps: list[tuple[float, int]]) -> None:
    pace, at_s = Pace(), 0.0
    for step_s, done in steps:
        at_s += step_s
        pace.look(at_s, done)
    rate = pace.rate_per_s()
    assert rate is None or rate >= 0
