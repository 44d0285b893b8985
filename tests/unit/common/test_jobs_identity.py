from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.common.index.ids import content_key
from services.common.jobs.identity import key_of
from services.common.jobs.records import ManifestLine

PICTURE = "ab" * 32
LINE = ManifestLine(name="a.jpg", title="A title", text="Some words", tags=("x", "y"))


def test_the_clients_key_decides() -> None:
    assert key_of(replace(LINE, key="sku-1"), PICTURE) == "sku-1"


def test_a_picture_goes_by_its_bytes_and_column_alone() -> None:
    assert key_of(LINE, PICTURE) == key_of(replace(LINE, title="Another"), PICTURE) == content_key(PICTURE)
    assert key_of(replace(LINE, key_column="shirt"), PICTURE) == content_key(PICTURE, "shirt")


@given(st.text(st.characters(codec="utf-8")))
def test_a_text_goes_by_its_words(text: str) -> None:
    line = replace(LINE, text=text)
    assert key_of(line, "") == key_of(replace(line, name="b.jpg", metadata={"n": 1}), "")
    assert key_of(line, "") != key_of(replace(line, text=text + "."), "")
    assert key_of(line, "") != key_of(replace(line, tags=()), "")
