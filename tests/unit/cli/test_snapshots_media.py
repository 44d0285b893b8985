"""Media beside snapshots: copied once, checked, brought back."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from services.cli.errors import CliError
from services.cli.snapshots.manifest import Manifest, MediaList
from services.cli.snapshots.media import MediaPool, read_list
from services.common.media.store import MediaStore
from services.common.objects import LocalObjects
from tests.fixtures.colour_encoder import picture


class Place:
    """A store with media, and a pool."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store, self.pool = LocalObjects(folder / "data"), LocalObjects(folder / "vault")
        self.media = MediaStore(self.store)

    def saved(self, snapshot: str) -> MediaPool:
        """Save into a list, as a snapshot does."""
        pool = MediaPool(self.pool, self.store, lambda line: None)
        self.pool.put(f"{snapshot}/media.sha256", b"".join(pool.save()))
        return pool

    def lines(self, snapshot: str) -> list[bytes]:
        return self.pool.get(f"{snapshot}/media.sha256").splitlines(keepends=True)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_was_saved_comes_back_and_only_what_is_new_is_copied(place: Place) -> None:
    digests = [place.media.put("shop", picture("red", side)) for side in (1, 2, 3)]
    webp = b"RIFF\x04\x00\x00\x00WEBP"
    place.media.put_thumbnail("shop", digests[0], 256, webp)
    other = place.media.put("other", picture("blue"))
    assert (place.saved("one").done.objects, place.saved("two").done.copied) == (5, 0)
    late = place.media.put("shop", picture("green"))
    third = place.saved("three")
    assert (third.done.objects, third.done.copied) == (6, 1)

    empty = LocalObjects(place.folder / "empty")
    back = MediaPool(place.pool, empty, lambda line: None)
    back.restore(place.lines("two"))
    assert (back.done.objects, back.done.copied) == (5, 5)
    found = MediaStore(empty)
    assert all(found.get("shop", digest) == place.media.get("shop", digest) for digest in digests)
    assert found.get_thumbnail("shop", digests[0], 256) == webp
    assert found.exists("other", other)
    assert not found.exists("shop", late)
    again = MediaPool(place.pool, empty, lambda line: None)
    again.restore(place.lines("three"))
    assert again.done.copied == 1


def test_a_person_can_check_it_without_us(place: Place) -> None:
    place.media.put("shop", picture("red"))
    place.saved("one")
    checked = subprocess.run(["sha256sum", "-c", "media.sha256"], cwd=place.folder / "vault" / "one", check=False)
    assert checked.returncode == 0


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_damage_is_found(place: Place, damage: str) -> None:
    digest = place.media.put("shop", picture("red"))
    place.saved("one")
    name = f"media/shop/{digest[:2]}/{digest}"
    if damage == "gone":
        place.pool.delete(name)
    else:
        place.pool.put(name, b"other")
    for act in ("verify", "restore"):
        pool = MediaPool(place.pool, LocalObjects(place.folder / "empty"), lambda line: None)
        with pytest.raises(CliError) as raised:
            getattr(pool, act)(place.lines("one"))
        assert raised.value.code == "damaged_snapshot"
        assert name in raised.value.message


def test_a_copy_that_was_cut_short_is_done_again(place: Place) -> None:
    """An object whose digest was not written down may be half of one."""
    digest = place.media.put("shop", picture("red"))
    name = f"media/shop/{digest[:2]}/{digest}"
    place.pool.put(name, b"half")
    assert place.saved("one").done.copied == 1
    assert place.pool.get(name) == place.store.get(name)


@pytest.mark.parametrize(
    "line",
    [
        b"0" * 64 + b"  ../jobs/x\n",
        b"0" * 64 + b"  ../media/../../etc/passwd\n",
        b"0  ../media/a/b/c\n",
        b"nonsense\n",
        b"\xff\xff  x\n",
    ],
)
def test_a_list_that_leads_elsewhere_is_refused(line: bytes) -> None:
    with pytest.raises(CliError):
        list(read_list([line]))


def test_a_manifest_tells_of_its_media() -> None:
    media = MediaList("media.sha256", 10, hashlib.sha256(b"").hexdigest(), 3)
    manifest = Manifest("a-20260101T000000Z", "2026", "a", "a-1", {}, 3, 4, "1", {}, {}, (), 2, media)
    assert Manifest.from_document(manifest.to_document()) == manifest
    without = Manifest("a-20260101T000000Z", "2026", "a", "a-1", {}, 3, 4, "1", {}, {}, ())
    assert "media" not in without.to_document()
    assert Manifest.from_document(without.to_document()) == without
