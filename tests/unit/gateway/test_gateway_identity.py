from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.common.index.ids import content_key, item_id
from services.common.jobs.records import ManifestLine
from services.gateway.identity import identified
from services.gateway.ingestion import named

PICTURE = ManifestLine(name="a.jpg", sha256="ab" * 32)


def test_the_clients_key_decides() -> None:
    line = replace(PICTURE, key="sku-1")
    assert identified("shop", line) == (item_id("shop", "sku-1"), line)


def test_a_picture_without_a_key_goes_by_its_bytes() -> None:
    found, line = identified("shop", PICTURE)
    assert found == item_id("shop", content_key(PICTURE.sha256))
    assert line == PICTURE
    assert found != identified("other", PICTURE)[0]


@given(st.text(), st.text(min_size=1))
def test_a_text_without_a_key_goes_by_its_words(title: str, text: str) -> None:
    line = ManifestLine(name="x", title=title, text=text)
    found, keyed = identified("shop", line)
    assert found == item_id("shop", keyed.key)
    assert identified("shop", replace(line, name="y"))[0] == found
    assert identified("shop", replace(line, text=text + "."))[0] != found


def test_a_line_has_a_name_one_can_find_again() -> None:
    assert named(PICTURE, 3).name == "a.jpg"
    assert named(ManifestLine(name="", key="k"), 3).name == "k"
    assert named(ManifestLine(name="", title="A title"), 3).name == "A title"
    assert named(ManifestLine(name=""), 3).name == "#3"
