"""Point ids in all the forms that Qdrant takes."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import InvalidRequestError
from services.store.translate.ids import point_id, point_ids


@given(st.integers(0, 2**64 - 1))
def test_unsigned_integers_stay(number: int) -> None:
    assert point_id(number) == number


@given(st.uuids())
def test_every_form_of_a_uuid_is_one_id(identifier: UUID) -> None:
    forms: list[int | str | UUID] = [
        identifier,
        str(identifier),
        identifier.hex,
        identifier.urn,
        f"{{{identifier}}}",
        str(identifier).upper(),
    ]
    assert set(point_ids(forms)) == {str(identifier)}


@pytest.mark.parametrize(
    "value",
    [-1, 2**64, "", "7", "abc", "0000-00000000-0000-0000-000000000001-", "g" * 32, "{" + "0" * 32 + "}", True],
)
def test_anything_else_is_refused(value: int | str) -> None:
    with pytest.raises(InvalidRequestError, match="not a valid point ID"):
        point_id(value)
