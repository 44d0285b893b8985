"""What an embedding is called and how it is kept."""

from __future__ import annotations

import hashlib
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from services.common.clients.encoder import Space, TextRole
from services.common.domain import Vector
from services.common.embeddings.keys import image_key, normalised, text_key
from services.common.embeddings.values import pack, unpack

KEY = image_key("model@1", b"picture")
VECTORS = arrays.arrays(np.float32, st.integers(1, 64), elements=st.floats(-1, 1, width=32))


@given(vector=VECTORS)
def test_what_is_kept_is_read_back_bit_by_bit(vector: Vector) -> None:
    for dim in (vector.size, None):
        read = unpack(KEY, pack(KEY, vector), dim)
        assert read is not None
        assert read.dtype == np.float32
        assert read.tobytes() == vector.tobytes()


@given(vector=VECTORS, data=st.data())
def test_a_torn_value_reads_as_nothing(vector: Vector, data: st.DataObject) -> None:
    kept = pack(KEY, vector)
    assert unpack(KEY, kept[: data.draw(st.integers(0, len(kept) - 1))], None) is None
    assert unpack(KEY, kept + b"\0\0\0\0", None) is None


@given(vector=VECTORS, data=st.data())
def test_a_flipped_bit_reads_as_nothing(vector: Vector, data: st.DataObject) -> None:
    kept = bytearray(pack(KEY, vector))
    kept[data.draw(st.integers(0, len(kept) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert unpack(KEY, bytes(kept), None) is None


@given(foreign=st.binary(max_size=400))
def test_foreign_bytes_read_as_nothing(foreign: bytes) -> None:
    assert unpack(KEY, foreign, None) is None


def test_a_value_under_anothers_key_or_of_another_length_reads_as_nothing() -> None:
    kept = pack(KEY, np.ones(4, np.float32))
    assert unpack(image_key("model@1", b"another"), kept, 4) is None
    assert unpack(KEY, kept, 8) is None


def test_bare_floats_read_as_nothing() -> None:
    """As an earlier version kept them."""
    assert unpack(KEY, np.ones(512, np.float32).tobytes(), 512) is None


def test_contract_kind_role_and_space_keep_apart() -> None:
    words = "a red dress"
    keys = {text_key("model@1", words, role, space) for role in TextRole for space in Space}
    keys |= {image_key("model@1", words.encode()), image_key("model@2", words.encode())}
    assert len(keys) == len(TextRole) * len(Space) + 2


def test_a_key_shows_a_hash_and_not_what_was_asked() -> None:
    key = text_key("model@1", "a secret", TextRole.QUERY, Space.JOINT)
    assert "secret" not in key
    assert key.endswith(hashlib.sha256(b"a secret").hexdigest())


@pytest.mark.parametrize("text", ["café", "  café\n", unicodedata.normalize("NFD", "café")])
def test_one_text_has_one_form(text: str) -> None:
    assert normalised(text) == "café"


@given(text=st.text(max_size=40))
def test_the_form_of_a_form_is_the_same(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)
