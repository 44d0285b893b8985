from __future__ import annotations

import json
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
from services.common.jobs.sources import folder_lines, manifest_lines

JPEG_START = b"\xff\xd8\xff\xe0"


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


def test_a_folders_pictures_are_found_by_name_or_by_content(roots: tuple[Path, ...]) -> None:
    for name, data in {
        "b.JPG": b"anything",
        "inner/a.png": b"",
        "inner/holiday": JPEG_START,
        "phone.heic": b"",
        "notes.txt": b"words",
        ".hidden.jpg": JPEG_START,
    }.items():
        (roots[0] / name).write_bytes(data)
    (roots[0] / ".cache").mkdir()
    (roots[0] / ".cache" / "c.jpg").write_bytes(JPEG_START)
    (roots[0] / "escape.jpg").symlink_to(roots[0].parent / "secret" / "key.jpg")
    (roots[0] / os.fsdecode(b"bad\xff.jpg")).write_bytes(JPEG_START)

    found = folder_lines(str(roots[0]), roots)

    assert [line.name for line in found.lines] == ["b.JPG", "phone.heic", "inner/a.png", "inner/holiday"]
    assert found.lines[0].source_uri == (roots[0] / "b.JPG").as_uri()
    assert {(wrong.name, wrong.code) for wrong in found.rejected} == {
        ("escape.jpg", "forbidden"),
        ("bad?.jpg", "invalid_request"),
    }


def test_a_folder_must_be_one_and_allowed(roots: tuple[Path, ...]) -> None:
    (roots[0] / "file").write_bytes(b"")
    with pytest.raises(InvalidRequestError):
        folder_lines(str(roots[0] / "file"), roots)
    with pytest.raises(ForbiddenError):
        folder_lines(str(roots[0].parent / "secret"), roots)


def write_manifest(roots: tuple[Path, ...], *raw: str | dict[str, object]) -> str:
    path = roots[0] / "m.jsonl"
    path.write_text(
        "\n".join(line if isinstance(line, str) else json.dumps(line) for line in raw), encoding="utf-8"
    )
    return str(path)


def test_a_manifests_fields_become_a_line(roots: tuple[Path, ...]) -> None:
    path = write_manifest(
        roots,
        {"path": "inner/a.png", "key": "sku-1", "title": "t", "tags": ["x"], "metadata": {"price": 3}},
        "",
        {"text": "红色连衣裙", "position": {"page": 4}},
    )
    for uri in (path, Path(path).as_uri()):
        first, second = manifest_lines(uri, roots).lines
        assert (first.path, first.key, first.tags) == (str(roots[0] / "inner" / "a.png"), "sku-1", ("x",))
        assert first.metadata == {"price": 3}
        assert second.name == "line 3"
        assert second.position is not None
        assert second.position.page == 4


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("nonsense", "invalid_request"),
        ("[1]", "invalid_request"),
        ('{"path": "a.png", "colour": "red"}', "invalid_request"),
        ('{"path": 3}', "invalid_request"),
        ('{"tags": ["x"]}', "invalid_request"),
        ('{"text": "\\ud800"}', "invalid_request"),
        ('{"text": "x", "metadata": {"a": ' + "[" * 400 + "]" * 400 + "}}", "invalid_request"),
        ('{"path": "../secret/key.jpg"}', "forbidden"),
        ('{"path": "/etc/passwd"}', "forbidden"),
        ('{"path": "http://example.org/a.jpg"}', "invalid_request"),
        ('{"path": "file://otherhost/a.jpg"}', "invalid_request"),
    ],
)
def test_a_wrong_line_is_named_and_the_others_stay(roots: tuple[Path, ...], raw: str, code: str) -> None:
    found = manifest_lines(write_manifest(roots, {"text": "good"}, raw, {"text": "good too"}), roots)
    assert [line.text for line in found.lines] == ["good", "good too"]
    assert [(wrong.number, wrong.code) for wrong in found.rejected] == [(2, code)]
    assert found.rejected[0].message.startswith("Line 2: ")


def test_a_manifest_outside_the_roots_or_of_another_scheme_is_refused(roots: tuple[Path, ...]) -> None:
    with pytest.raises(ForbiddenError):
        manifest_lines("file:///etc/passwd", roots)
    with pytest.raises(InvalidRequestError):
        manifest_lines("s3://bucket/m.jsonl", roots)
    with pytest.raises(NotFoundError):
        manifest_lines(str(roots[0] / "missing.jsonl"), roots)
