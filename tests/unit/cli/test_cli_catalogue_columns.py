"""Items become rows and rows items, whatever stands in them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.catalogue.columns import from_batch, schema_of, to_batch
from services.cli.catalogue.header import Header
from services.cli.errors import CliError

HEADER = Header(
    {"joint": "j@1", "dim": 3, "bm25": "1", "semantic": {"fingerprint": "s@1", "dim": 2}}, True, "", ""
)
_TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=9)
_WORDS = st.lists(_TEXT, max_size=3)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)


def packed(dim: int) -> st.SearchStrategy[str]:
    values = st.lists(st.floats(-1, 1, width=32), min_size=dim, max_size=dim)
    return values.map(lambda found: base64.b64encode(np.asarray(found, "<f4").tobytes()).decode())


def optional(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any] | None]:
    return st.none() | st.fixed_dictionaries(fields)


_BM25 = st.dictionaries(st.integers(0, 2**32 - 1), st.floats(0, 9, width=32), min_size=1, max_size=4).map(
    lambda words: {"indices": list(words), "values": list(words.values())}
)
ITEMS = st.fixed_dictionaries(
    {
        **dict.fromkeys(("id", "key", "kind", "title", "text", "ocr_text", "source_uri", "document_id"), _TEXT),
        **dict.fromkeys(("perceptual_hash", "job_id"), _TEXT),
        **dict.fromkeys(("tags", "labels", "incomplete"), _WORDS),
        "metadata": st.dictionaries(_TEXT, _JSON, max_size=3),
        "revision": st.integers(0, 2**53),
        "line": st.integers(0, 2**31),
        "ingested_at": st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.isoformat()),
        "position": st.fixed_dictionaries(
            {
                "page": st.none() | st.integers(1, 99),
                "timestamp_s": st.none() | st.floats(0, 1e6),
                "box": st.none() | st.lists(st.floats(0, 1), min_size=4, max_size=4),
            }
        ),
        "media": optional(
            {"sha256": st.just("0" * 64), "mime": _TEXT, "width": st.integers(0, 99), "height": st.integers(0, 99)}
        ),
        "caption": optional(
            {
                **dict.fromkeys(("brief", "detailed", "text_content", "model"), _TEXT),
                **dict.fromkeys(("keywords", "data_points"), _WORDS),
            }
        ),
        "duplicate_of": optional(
            {"id": st.just("x"), "kind": st.sampled_from(["exact", "near"]), "similarity": st.floats(0, 1)}
        ),
        "vectors": st.fixed_dictionaries(
            {
                "image": st.none() | packed(3),
                "text": st.none() | packed(3),
                "semantic": st.none() | packed(2),
                "bm25": st.none() | _BM25,
            }
        ),
    }
)


def plain(value: Any) -> Any:
    """Without what is empty: it is left out on the way back."""
    if isinstance(value, dict):
        found = {name: plain(each) for name, each in value.items()}
        return {name: each for name, each in found.items() if each is not None and each != {}}
    return value


@given(st.lists(ITEMS, max_size=4))
def test_items_come_back_as_they_were(items: list[dict[str, Any]]) -> None:
    found = list(from_batch(to_batch(items, schema_of(HEADER))))
    assert len(found) == len(items)
    for one, two in zip(found, items, strict=True):
        metadata = one.pop("metadata"), two.pop("metadata")
        assert metadata[0] == metadata[1]
        moments = [datetime.fromisoformat(each.pop("ingested_at")) for each in (one, two)]
        assert moments[0] == moments[1]
        assert plain(one) == plain(two)


def test_a_file_says_what_its_vectors_were_made_by() -> None:
    assert Header.from_metadata(schema_of(HEADER).metadata) == HEADER
    assert HEADER.dims() == {"image": 3, "text": 3, "semantic": 2}


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        (None, "no_catalogue"),
        ({b"pandas": b"{}"}, "no_catalogue"),
        ({b"imagerag": b"{"}, "no_catalogue"),
        ({b"imagerag": b'{"format": 1}'}, "no_catalogue"),
        ({b"imagerag": b'{"format": 2}'}, "unknown_format"),
    ],
)
def test_other_files_are_refused(metadata: dict[bytes, bytes] | None, code: str) -> None:
    with pytest.raises(CliError) as raised:
        Header.from_metadata(metadata)
    assert raised.value.code == code


def test_columns_of_others_are_left_out_and_missing_ones_are_empty() -> None:
    batch = pa.RecordBatch.from_pydict({"key": ["a"], "kind": ["text"], "mine": [1]})
    assert list(from_batch(batch)) == [{"key": "a", "kind": "text", "vectors": {}}]
