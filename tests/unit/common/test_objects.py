"""Durable objects: what is there, what is not, and what a crash leaves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.common.errors import NotFoundError
from services.common.objects import LocalObjects, ObjectStore, RemoteObjects, open_objects


@pytest.fixture(params=["local", "memory"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    url = {"local": str(tmp_path), "memory": f"memory://{tmp_path.name}"}[request.param]
    return open_objects(url)


def test_the_scheme_decides(tmp_path: Path) -> None:
    assert isinstance(open_objects(f"file://{tmp_path}"), LocalObjects)
    assert isinstance(open_objects("memory://x"), RemoteObjects)


def test_put_get_replace_delete(objects: ObjectStore) -> None:
    objects.put("a/b/c", b"one")
    objects.put("a/b/c", b"two")
    assert objects.get("a/b/c") == b"two"
    assert objects.exists("a/b/c")
    objects.delete("a/b/c")
    objects.delete("a/b/c")
    assert not objects.exists("a/b/c")
    with pytest.raises(NotFoundError):
        objects.get("a/b/c")


def test_list_names_what_is_directly_below(objects: ObjectStore) -> None:
    for name in ("x/2", "x/1", "x/y/3"):
        objects.put(name, b"")
    assert objects.list("x") == ["1", "2", "y"]
    assert objects.list("nowhere") == []


@pytest.mark.parametrize("name", ["../out", "a/../../out", "a/./b", "a\0b"])
def test_no_name_leaves_the_store(objects: ObjectStore, name: str) -> None:
    with pytest.raises(ValueError, match="plain object name"):
        objects.put(name, b"")


def test_a_write_that_was_cut_off_is_not_seen(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    objects.put("x/1", b"whole")
    (tmp_path / "x" / "2.abc.part").write_bytes(b"ha")
    assert objects.list("x") == ["1"]


def test_a_folder_is_not_an_object(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    objects.put("x/1", b"")
    assert not objects.exists("x")
    with pytest.raises(NotFoundError):
        objects.get("x")


def test_of_many_who_create_one_object_one_succeeds(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)

    def create(number: int) -> bool:
        return objects.create("a/b", b"%d" % number)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(create, range(32)))
    assert made.count(True) == 1
    assert objects.get("a/b") == b"%d" % made.index(True)
    assert objects.list("a") == ["b"]


def test_what_is_there_is_not_created_again(objects: ObjectStore) -> None:
    assert objects.create("a/b", b"first")
    assert not objects.create("a/b", b"later")
    assert objects.get("a/b") == b"first"


def test_bytes_that_come_one_after_the_other(objects: ObjectStore) -> None:
    with objects.writing("a/b/c") as writer:
        for piece in (b"one ", b"two ", b"three"):
            writer.write(piece)
    assert objects.get("a/b/c") == b"one two three"
    with objects.as_file("a/b/c") as path:
        assert path.read_bytes() == b"one two three"


def test_a_file_of_what_is_not_there(objects: ObjectStore) -> None:
    with pytest.raises(NotFoundError), objects.as_file("a/b"):
        pass


def test_writing_that_ends_in_an_error_leaves_nothing(objects: ObjectStore) -> None:
    def break_off() -> None:
        with objects.writing("a/b") as writer:
            writer.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert not objects.exists("a/b")


def test_a_folder_goes_with_what_is_in_it(objects: ObjectStore) -> None:
    for name in ("x/1", "x/2", "y/1"):
        objects.put(name, b"")
    objects.delete_folder("x")
    objects.delete_folder("x")
    assert (objects.list("x"), objects.list("y")) == ([], ["1"])
