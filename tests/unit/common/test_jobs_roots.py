from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.common.errors import (
    ForbiddenError,
    ImageragError,
    InvalidRequestError,
    NotFoundError,
    PayloadTooLargeError,
)
from services.common.jobs.roots import allowed, parse_roots, read_allowed


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, ...]:
    (tmp_path / "allowed" / "inner").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.jpg").write_bytes(b"secret")
    return (tmp_path / "allowed",)


@pytest.mark.parametrize(
    ("text", "folders"),
    [
        ("", []),
        ("/a", ["/a"]),
        ("/a, /b c", ["/a", "/b c"]),
        ('["/a", "/b c"]', ["/a", "/b c"]),
        ("[]", []),
    ],
)
def test_roots_are_a_list_with_commas_or_in_json(text: str, folders: list[str]) -> None:
    assert parse_roots(text) == tuple(map(Path, folders))


def test_a_relative_root_is_refused() -> None:
    with pytest.raises(ValueError, match="absolute"):
        parse_roots("photos")


def test_without_roots_the_setting_is_named() -> None:
    with pytest.raises(ForbiddenError, match="IMAGERAG_SOURCE_ROOTS"):
        allowed("/", ())


@pytest.mark.parametrize(
    "path",
    [
        "{root}/../secret/key.jpg",
        "/etc/passwd",
        "{root}/link.jpg",
        "{root}/linked/key.jpg",
        "{root}x",
        "secret/key.jpg",
    ],
)
def test_nothing_outside_the_roots_is_read(roots: tuple[Path, ...], path: str) -> None:
    (roots[0] / "link.jpg").symlink_to(roots[0].parent / "secret" / "key.jpg")
    (roots[0] / "linked").symlink_to(roots[0].parent / "secret")
    with pytest.raises(ForbiddenError):
        read_allowed(path.format(root=roots[0]), roots, 100)


def test_links_that_stay_inside_are_followed(roots: tuple[Path, ...]) -> None:
    (roots[0] / "a.jpg").write_bytes(b"here")
    (roots[0] / "inner" / "b.jpg").symlink_to(roots[0] / "a.jpg")
    assert read_allowed(str(roots[0] / "inner" / "b.jpg"), roots, 100) == b"here"


def test_odd_files_give_typed_errors_and_never_block(roots: tuple[Path, ...]) -> None:
    os.mkfifo(roots[0] / "pipe")
    (roots[0] / "big").write_bytes(b"x" * 11)
    expected: list[tuple[str, type[ImageragError]]] = [
        ("pipe", InvalidRequestError),
        ("inner", InvalidRequestError),
        ("nothing", NotFoundError),
        ("big", PayloadTooLargeError),
        ("nul\0", InvalidRequestError),
    ]
    for name, error in expected:
        with pytest.raises(error):
            read_allowed(f"{roots[0]}/{name}", roots, 10)
