"""Names of members and what belongs together, as pure functions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import ArchiveUnsafeError
from workers.opening.archives.member import Member, refuse_repeated
from workers.opening.archives.names import is_litter, is_table, is_text, safe_name, sample_key
from workers.opening.archives.samples import samples

_SUFFIXES = st.sampled_from([".png", ".jpg", ".json", ".txt", ".cls", ".x.png", ""])
_NAMES = st.lists(
    st.builds(str.__add__, st.sampled_from(["a", "b", "a.x", "v1.0", "d/a"]), _SUFFIXES), unique=True
)


@given(_NAMES)
def test_every_member_has_its_place(names: list[str]) -> None:
    members = [Member(index, name) for index, name in enumerate(names)]
    found = samples(members)
    mains = [sample.main.index for sample in found]
    assert mains == sorted(set(mains))
    pictures = {member.index for member in members if not is_text(member.name)}
    assert pictures <= set(mains)
    placed = {text.index for sample in found for text in sample.texts} | set(mains)
    assert placed == set(range(len(names)))
    for sample in found:
        assert all(sample_key(text.name) == sample_key(sample.main.name) for text in sample.texts)
        assert not (sample.orphan and sample.texts)


@given(st.binary(max_size=60))
def test_a_safe_name_stays_below_the_root_and_is_safe_again(raw: bytes) -> None:
    try:
        name = safe_name(raw, 16)
    except ArchiveUnsafeError:
        return
    parts = name.split("/")
    assert not {"", ".", ".."} & set(parts)
    assert "\0" not in name
    name.encode()


@given(st.lists(st.sampled_from(["a", "..", ".", "", "C:", "b\\..\\c"]), min_size=1, max_size=5))
def test_no_way_out_of_the_archive_is_missed(parts: list[str]) -> None:
    raw = "/".join(parts)
    hostile = ".." in raw.replace("\\", "/").split("/") or raw.startswith(("/", "C:"))
    if hostile:
        with pytest.raises(ArchiveUnsafeError):
            safe_name(raw.encode(), 16)


def test_tables_texts_and_litter_are_known_by_name() -> None:
    assert [name for name in ("x/metadata.CSV", "manifest.jsonl", "x.csv") if is_table(name)] == [
        "x/metadata.CSV",
        "manifest.jsonl",
    ]
    assert [name for name in ("a.JSON", "a.txt", "a.csv", "a") if is_text(name)] == ["a.JSON", "a.txt"]
    assert is_litter("__MACOSX/a.png")
    assert is_litter("a/.b/c.png")
    assert not is_litter("a/b.c.png")


def test_the_first_of_a_name_stays() -> None:
    first, second = refuse_repeated([Member(0, "a"), Member(1, "a")])
    assert first.refusal is None
    assert isinstance(second.refusal, ArchiveUnsafeError)
