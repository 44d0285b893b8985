"""Items survive the wire unchanged."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imagerag.v1 import types_pb2

from services.common.domain import Box, Caption, DuplicateKind, DuplicateOf, Item, ItemKind, Media, Position
from services.common.errors import InvalidRequestError
from services.common.rpc.items import item_from_proto, item_to_proto

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SOME_TEXTS = st.lists(TEXTS, max_size=3).map(tuple)
UNIT = st.floats(0, 1, width=32)
BOXES = st.builds(Box, UNIT, UNIT, UNIT, UNIT)
POSITIONS = st.builds(
    Position,
    page=st.none() | st.integers(0, 2**32 - 1),
    timestamp_s=st.none() | st.floats(0, 1e6),
    box=st.none() | BOXES,
)
PIXELS = st.integers(1, 2**32 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
ITEMS = st.builds(
    Item,
    id=TEXTS,
    tenant=st.just("shop"),
    kind=st.sampled_from(ItemKind),
    revision=st.integers(0, 2**53 - 1),
    ingested_at=st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    key=TEXTS,
    title=TEXTS,
    text=TEXTS,
    ocr_text=TEXTS,
    tags=SOME_TEXTS,
    source_uri=TEXTS,
    document_id=TEXTS,
    position=st.none() | POSITIONS,
    media=st.none() | st.builds(Media, TEXTS, TEXTS, PIXELS, PIXELS),
    metadata=st.dictionaries(TEXTS, JSON, max_size=3),
    caption=st.none() | st.builds(Caption, TEXTS, TEXTS, SOME_TEXTS, TEXTS, SOME_TEXTS, TEXTS),
    labels=SOME_TEXTS,
    duplicate_of=st.none() | st.builds(DuplicateOf, TEXTS, st.sampled_from(DuplicateKind), UNIT),
    incomplete=SOME_TEXTS,
)


@given(ITEMS)
def test_item_survives_the_wire(item: Item) -> None:
    received = types_pb2.Item.FromString(item_to_proto(item).SerializeToString())
    assert item_from_proto("shop", received) == item


def test_integers_of_the_metadata_stay_integers() -> None:
    item = Item("a", "shop", ItemKind.TEXT, 1, datetime.now(UTC), metadata={"price": 300, "size": 1.0})
    metadata = item_from_proto("shop", item_to_proto(item)).metadata
    assert isinstance(metadata["price"], int)
    assert isinstance(metadata["size"], float)


@pytest.mark.parametrize("text", ["[1]", "{", "3", "null"])
def test_metadata_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="metadata_json"):
        item_from_proto("shop", types_pb2.Item(metadata_json=text))


def test_a_time_out_of_range_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="ingested_at_s"):
        item_from_proto("shop", types_pb2.Item(ingested_at_s=1e300))
