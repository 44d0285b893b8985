"""The bound on what is inside."""

from __future__ import annotations

import pytest

from services.common.errors import ExhaustedError
from services.encoder.admission import Admission


def test_beyond_the_bound_callers_are_told_when_to_come_back() -> None:
    admission = Admission(limit_items=10)
    with admission.admit(6), admission.admit(4):
        assert admission.inside_items == 10
        with pytest.raises(ExhaustedError) as raised, admission.admit(1):
            pass
        assert raised.value.retry_after_s is not None
        assert 0 < raised.value.retry_after_s <= 5
    assert admission.inside_items == 0


def test_room_is_given_back_after_an_error() -> None:
    admission = Admission(limit_items=1)
    with pytest.raises(KeyError), admission.admit(1):
        raise KeyError
    with admission.admit(1):
        assert admission.inside_items == 1


def test_a_call_above_the_whole_bound_waits_for_nobody() -> None:
    admission = Admission(limit_items=4)
    with admission.admit(8), pytest.raises(ExhaustedError), admission.admit(1):
        pass
