"""What the readers of sources find, and that they go on from any cursor."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.errors import ForbiddenError, ImageragError, InvalidRequestError, NotFoundError
from services.common.jobs.records import JobOptions, ManifestLine
from services.common.media.store import MediaStore
from services.common.objects import LocalObjects
from workers.sources import manifest
from workers.sources.folder import FolderSource
from workers.sources.manifest import ManifestSource
from workers.sources.source import Source, SourceTools

JPEG_START = b"\xff\xd8\xff\xe0"


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, ...]:
    (tmp_path / "allowed" / "inner").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.jpg").write_bytes(b"secret")
    return (tmp_path / "allowed",)


def tools(roots: Sequence[Path], columns: Mapping[str, str] | None = None) -> SourceTools:
    media = MediaStore(LocalObjects(roots[0].parent / "data"))
    return SourceTools(media, "default", roots, options=JobOptions(columns=columns or {}))


@dataclass(frozen=True)
class Found:
    lines: Sequence[ManifestLine]
    rejected: Sequence[tuple[str, ImageragError]]


def listed(source: Source) -> Found:
    found = list(source.lines(""))
    wrong = [(each.line.name, each.error) for each in found if each.error]
    return Found([each.line for each in found if not each.error], wrong)


def in_parts(source: Source, size: int) -> list[str]:
    """Names, read a few at a time, each time from the last cursor on."""
    names: list[str] = []
    cursor = ""
    while part := list(islice(source.lines(cursor), size)):
        names.extend(each.line.name for each in part)
        cursor = part[-1].cursor
    return names


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

    found = listed(FolderSource(str(roots[0]), roots))

    assert [line.name for line in found.lines] == ["b.JPG", "inner/a.png", "inner/holiday", "phone.heic"]
    assert found.lines[0].source_uri == (roots[0] / "b.JPG").as_uri()
    assert {(name, error.code) for name, error in found.rejected} == {
        ("escape.jpg", "forbidden"),
        ("bad\\xff.jpg", "invalid_request"),
    }


def test_a_folder_must_be_one_and_allowed(roots: tuple[Path, ...]) -> None:
    (roots[0] / "file").write_bytes(b"")
    with pytest.raises(InvalidRequestError):
        listed(FolderSource(str(roots[0] / "file"), roots))
    with pytest.raises(ForbiddenError):
        listed(FolderSource(str(roots[0].parent / "secret"), roots))


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
        first, second = listed(ManifestSource(uri, tools(roots))).lines
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
        ('{"path": "http://example.org/a.jpg"}', "url_forbidden"),
        ('{"path": "file://otherhost/a.jpg"}', "invalid_request"),
    ],
)
def test_a_wrong_line_is_named_and_the_others_stay(roots: tuple[Path, ...], raw: str, code: str) -> None:
    path = write_manifest(roots, {"text": "good"}, raw, {"text": "good too"})
    found = listed(ManifestSource(path, tools(roots)))
    assert [line.text for line in found.lines] == ["good", "good too"]
    assert [(name, error.code) for name, error in found.rejected] == [("line 2", code)]
    assert found.rejected[0][1].message.startswith("Line 2: ")


def test_names_of_another_system_are_mapped_and_the_rest_is_metadata(roots: tuple[Path, ...]) -> None:
    path = write_manifest(
        roots,
        {"artikel": "Rotes Kleid", "preis": 3, "tags": ["x"], "metadata": {"a": 1}},
        '["no object"]',
        "no JSON",
    )
    found = listed(ManifestSource(path, tools(roots, {"title": "artikel", "metadata.price": "preis"})))
    assert [(line.title, line.tags, line.metadata) for line in found.lines] == [
        ("Rotes Kleid", ("x",), {"price": 3, "a": 1})
    ]
    assert [error.message for _, error in found.rejected] == [
        "Line 2: It is not a JSON object.",
        "Line 3: It is not JSON.",
    ]


@pytest.mark.parametrize("position", [{"page": 0}, {"page": 2**40}, {"timestamp_s": -1.0}])
def test_a_position_that_cannot_be_is_refused(roots: tuple[Path, ...], position: object) -> None:
    found = listed(ManifestSource(write_manifest(roots, {"text": "x", "position": position}), tools(roots)))
    assert [error.message[:18] for _, error in found.rejected] == ["Line 1: position: "]


def test_a_manifest_outside_the_roots_or_of_another_scheme_is_refused(roots: tuple[Path, ...]) -> None:
    with pytest.raises(ForbiddenError):
        listed(ManifestSource("file:///etc/passwd", tools(roots)))
    with pytest.raises(InvalidRequestError):
        listed(ManifestSource("s3://bucket/m.jsonl", tools(roots)))
    with pytest.raises(NotFoundError):
        listed(ManifestSource(str(roots[0] / "missing.jsonl"), tools(roots)))


_NAMES = st.text("ab\xe4-.z", min_size=1, max_size=3).filter(lambda name: not name.startswith("."))


@settings(max_examples=60)
@given(paths=st.lists(st.lists(_NAMES, min_size=1, max_size=3), max_size=12), size=st.integers(1, 4))
def test_a_folder_read_in_parts_has_every_picture_once(
    tmp_path_factory: pytest.TempPathFactory, paths: list[list[str]], size: int
) -> None:
    root = tmp_path_factory.mktemp("folder")
    for number, parts in enumerate(paths):
        folder = root.joinpath(*(f"{part}.d" for part in parts[:-1]))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{parts[-1]}{number}.jpg").write_bytes(b"")
    whole = [line.name for line in listed(FolderSource(str(root), [root])).lines]
    assert len(whole) == len(paths)
    assert in_parts(FolderSource(str(root), [root]), size) == whole


def test_what_comes_and_goes_while_a_folder_is_read_does_not_move_the_rest(roots: tuple[Path, ...]) -> None:
    for name in "bdf":
        (roots[0] / f"{name}.jpg").write_bytes(b"")
    source = FolderSource(str(roots[0]), roots)
    first = next(source.lines(""))
    (roots[0] / "a.jpg").write_bytes(b"")
    (roots[0] / "d.jpg").unlink()
    (roots[0] / "e.jpg").write_bytes(b"")
    assert [each.line.name for each in source.lines(first.cursor)] == ["e.jpg", "f.jpg"]


def test_a_manifest_goes_on_from_any_line(roots: tuple[Path, ...]) -> None:
    path = write_manifest(roots, {"text": "一"}, "", {"text": "two"}, "wrong", {"text": "four"}, "")
    whole = [each.line.name for each in ManifestSource(path, tools(roots)).lines("")]
    assert whole == ["line 1", "line 3", "line 4", "line 5"]
    for size in (1, 2, 3):
        assert in_parts(ManifestSource(path, tools(roots)), size) == whole


def test_a_line_that_is_too_long_is_passed_over(roots: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "MAX_LINE_BYTES", 100)
    path = write_manifest(roots, {"text": "a"}, {"text": "x" * 1000}, {"text": "b"})
    found = listed(ManifestSource(path, tools(roots)))
    assert [line.text for line in found.lines] == ["a", "b"]
    assert [(name, error.code) for name, error in found.rejected] == [("line 2", "payload_too_large")]
