"""The data folder after every kind of interruption, on the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from qdrant_client.http import models as m

from services.common.errors import InternalError, InvalidRequestError, NotFoundError, UnimplementedError
from services.common.settings import SettingsError
from services.store.description import FILE_NAME
from services.store.engine import engine_errors
from services.store.registry import FolderLock, Registry

SPEC = m.CreateCollection(vectors={"image": m.VectorParams(size=2, distance=m.Distance.DOT)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def opened(folder: Path) -> Registry:
    registry = Registry(folder)
    registry.open()
    return registry


@pytest.fixture
def registry(folder: Path) -> Iterator[Registry]:
    registry = opened(folder)
    yield registry
    registry.close()


def alias(name: str, collection: str) -> m.CreateAliasOperation:
    return m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name=collection, alias_name=name))


def folders(folder: Path) -> list[Path]:
    return list((folder / "collections").iterdir())


def test_a_folder_without_a_description_is_removed_at_the_start(folder: Path) -> None:
    registry = opened(folder)
    registry.create("a", SPEC)
    registry.create("b", SPEC)
    registry.close()
    # As SIGKILL leaves it: between the engine's files and the description, or after the description is removed.
    half = next(path for path in folders(folder) if orjson.loads((path / FILE_NAME).read_bytes())["name"] == "a")
    (half / FILE_NAME).unlink()
    again = opened(folder)
    assert again.names() == ["b"]
    assert half not in folders(folder)
    again.close()


def test_a_description_that_was_not_renamed_does_not_count(folder: Path) -> None:
    registry = opened(folder)
    registry.create("a", SPEC)
    registry.close()
    [path] = folders(folder)
    (path / FILE_NAME).rename(path / (FILE_NAME + ".part"))
    again = opened(folder)
    assert again.names() == []
    assert folders(folder) == []
    again.close()


def test_an_alias_of_a_collection_that_is_gone_is_gone_after_a_restart(folder: Path) -> None:
    registry = opened(folder)
    registry.create("a", SPEC)
    registry.change_aliases([alias("current", "a")])
    registry.close()
    [path] = folders(folder)
    (path / FILE_NAME).unlink()
    again = opened(folder)
    assert again.aliases() == {}
    with pytest.raises(NotFoundError):
        again.get("current")
    again.close()


def test_shards_of_an_interrupted_index_build_are_removed(folder: Path) -> None:
    registry = opened(folder)
    registry.create("a", SPEC)
    registry.close()
    [path] = folders(folder)
    (path / "shard-000000000000").mkdir()
    again = opened(folder)
    assert len(list(path.glob("shard-*"))) == 1
    assert again.get("a").info()["points_count"] == 0
    again.close()


def test_a_collection_cannot_have_the_name_of_an_alias(registry: Registry) -> None:
    registry.create("a", SPEC)
    registry.change_aliases([alias("current", "a")])
    with pytest.raises(InvalidRequestError, match="Alias with the same name"):
        registry.create("current", SPEC)
    assert not registry.delete("current")


def test_the_lock_is_exclusive_and_released(folder: Path) -> None:
    lock = FolderLock(folder / "new" / "data")
    with pytest.raises(SettingsError, match="in use by another store"):
        FolderLock(folder / "new" / "data")
    lock.release()
    FolderLock(folder / "new" / "data").release()


def test_engine_errors_become_errors_of_the_tree() -> None:
    class PanicException(BaseException):
        pass

    cases: list[tuple[BaseException, type[Exception], str]] = [
        (ValueError("invalid JSON path"), InvalidRequestError, "invalid JSON path"),
        (OverflowError("too large"), InvalidRequestError, "too large"),
        (Exception("No point with id 3"), NotFoundError, "No point with id 3 found"),
        (Exception("Service runtime error: disk at /secret"), InternalError, "wrong on our side"),
        (Exception("Wrong usage of sparse vectors"), InvalidRequestError, "Wrong usage"),
        (PanicException("index out of bounds"), InternalError, "wrong on our side"),
        (TypeError("a defect of ours"), TypeError, "a defect"),
        (UnimplementedError("passed through"), UnimplementedError, "passed through"),
    ]
    for raised, expected, text in cases:
        with pytest.raises(expected, match=text), engine_errors():
            raise raised
