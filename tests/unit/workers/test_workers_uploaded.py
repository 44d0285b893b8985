"""What was uploaded for a job: every file read by what it is, tables with their pictures, on from any cursor."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import NotFoundError
from services.common.jobs.records import ManifestLine
from services.common.media.store import MediaStore
from services.common.objects import ObjectStore, open_objects
from services.common.uploads.records import UploadedEntry
from services.common.uploads.store import UploadStore
from tests.fixtures.archives import picture, zipped
from tests.fixtures.pdf_writer import PdfPage, write_pdf
from workers.sources.source import Listed, SourceTools
from workers.sources.uploaded import JobUploads, UploadSource

TENANT, JOB = "shop", "job"


@pytest.fixture(params=["local", "memory"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    url = {"local": str(tmp_path / "data"), "memory": f"memory://{tmp_path.name}"}[request.param]
    return open_objects(url)


class Given:
    """A job of these files (bytes) and items (fields of a line), by name."""

    def __init__(self, objects: ObjectStore, roots: tuple[Path, ...] = ()) -> None:
        self.store, self.media, self.entries = UploadStore(objects), MediaStore(objects), list[UploadedEntry]()
        self.tools = SourceTools(self.media, TENANT, roots)

    def file(self, name: str, data: bytes, **said: Any) -> Given:
        with self.store.receive(TENANT) as receiving:
            receiving.write(data)
            upload = receiving.finish()
        self.entries.append(UploadedEntry(ManifestLine(name, **said), upload.sha256))
        return self

    def picture(self, name: str, number: int, **said: Any) -> Given:
        digest = self.media.put(TENANT, picture(number))
        self.entries.append(UploadedEntry(ManifestLine(name, sha256=digest, **said)))
        return self

    def listed(self, after: str = "") -> list[Listed]:
        self.store.write_set(TENANT, JOB, self.entries)
        return list(UploadSource(JobUploads(self.store, TENANT, JOB), self.tools).lines(after))


def digest_of(number: int) -> str:
    return hashlib.sha256(picture(number)).hexdigest()


def table(*rows: Mapping[str, str]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def test_everything_is_told_in_its_order(objects: ObjectStore) -> None:
    given = Given(objects).picture("a.png", 1)
    given.file("notes/todo.md", b"# Garden\n\nWater the roses.")
    given.file("photos.zip", zipped({"x/cat.png": picture(2), "dog.png": picture(3)}))
    given.file("report.pdf", write_pdf([PdfPage(["Revenue grew."])], title="Q3"))
    given.file("odd.bin", b"\x7fELF\x02\x01\x01" + b"\0" * 40)
    found = given.listed()
    assert [(each.line.name, each.error is None) for each in found] == [
        ("a.png", True),
        ("notes/todo.md, passage 1", True),
        ("photos.zip: x/cat.png", True),
        ("photos.zip: dog.png", True),
        ("report.pdf, page 1", True),
        ("odd.bin", False),
    ]
    assert found[1].line.source_uri == "notes/todo.md"
    archived = {each.line.source_uri: each.line.sha256 for each in found if "zip" in each.line.name}
    assert archived == {"photos.zip#x/cat.png": digest_of(2), "photos.zip#dog.png": digest_of(3)}
    pages = [each.line for each in found if each.line.name.startswith("report.pdf, page 1")]
    assert pages[0].source_uri == "report.pdf#page=1"


def test_it_goes_on_behind_any_line(objects: ObjectStore) -> None:
    given = Given(objects).picture("a.png", 1)
    given.file("photos.zip", zipped({f"{number}.png": picture(number) for number in range(5)}))
    given.file("broken.pdf", b"%PDF-1.7 nothing follows").file("b.txt", b"Words of a text.")
    whole = given.listed()
    assert len(whole) == 8
    for place, each in enumerate(whole):
        rest = given.listed(each.cursor)
        assert [(found.line, str(found.error)) for found in rest] == [
            (found.line, str(found.error)) for found in whole[place + 1 :]
        ]


def test_what_is_said_of_a_file_holds_for_everything_in_it(objects: ObjectStore) -> None:
    given = Given(objects).file(
        "photos.zip",
        zipped({"cat.png": picture(1), "cat.json": json.dumps({"tags": ["cat"], "metadata": {"a": 1}}).encode()}),
        tags=("2026", "cat"),
        metadata={"a": 0, "b": 2},
    )
    (found,) = given.listed()
    assert (found.line.tags, found.line.metadata) == (("cat", "2026"), {"a": 1, "b": 2})


def test_a_table_describes_the_pictures_that_came_with_it(objects: ObjectStore) -> None:
    rows = [{"path": f"img/{number}.png", "title": f"Dress {number}"} for number in (1, 2, 9)]
    given = Given(objects).picture("shop/img/1.png", 1).picture("shop/img/2.png", 2).picture("shop/other.png", 3)
    found = given.file("shop/items.csv", table(*rows)).listed()
    assert [(each.line.name, each.line.title, each.line.sha256) for each in found if not each.error] == [
        ("shop/other.png", "", digest_of(3)),
        *[
            (each.line.name, f"Dress {number}", digest_of(number))
            for number, each in zip((1, 2), found[1:3], strict=True)
        ],
    ]
    assert found[1].line.source_uri == "shop/img/1.png"
    assert found[1].line.path == ""
    (missing,) = [each for each in found if each.error]
    assert "shop/img/9.png" in str(missing.error)


def test_the_pictures_of_a_table_may_be_a_list_of_their_own(objects: ObjectStore) -> None:
    given = Given(objects)
    digests = {f"img/{n}.png": given.media.put(TENANT, picture(n)) for n in range(3)}
    lists = [{"name": name, "sha256": digest} for name, digest in digests.items()]
    given.file("list", "\n".join(map(json.dumps, lists)).encode())
    (listing,) = given.entries
    given.entries.clear()
    given.file("shop/items.csv", table(*[{"path": name, "title": name} for name in (*digests, "img/9.png")]))
    given.entries[0] = replace(given.entries[0], pictures=listing.upload)
    found = given.listed()
    assert [each.line.sha256 for each in found] == [*digests.values(), ""]
    assert found[0].line.source_uri == "shop/img/0.png"
    assert "shop/img/9.png" in str(found[3].error)


def test_a_list_of_pictures_that_is_none_is_told(objects: ObjectStore) -> None:
    given = Given(objects).file("list", b'{"name": "a.png"}')
    (listing,) = given.entries
    given.entries.clear()
    given.file("items.csv", table({"path": "a.png"}))
    given.entries[0] = replace(given.entries[0], pictures=listing.upload)
    (found,) = given.listed()
    assert "line 1" in str(found.error)


def test_a_table_reaches_no_file_of_the_server(objects: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(picture(1))
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "open.png").write_bytes(picture(2))
    paths = [str(tmp_path / "secret.png"), "../../../../secret.png", "file", "/etc/passwd", "."]
    lines = [json.dumps({"path": path}) for path in (*paths, str(tmp_path / "allowed" / "open.png"))]
    given = Given(objects, (tmp_path / "allowed",)).file("items.jsonl", "\n".join(lines).encode())
    *refused, allowed = given.listed()
    assert all(each.error for each in refused)
    assert allowed.error is None
    assert allowed.line.path == str(tmp_path / "allowed" / "open.png")


def test_a_picture_among_the_files_is_kept_like_any(objects: ObjectStore) -> None:
    (found,) = Given(objects).file("late.png", picture(4)).listed()
    assert (found.line.name, found.line.sha256, found.line.source_uri) == ("late.png", digest_of(4), "late.png")
    assert objects.exists(f"media/{TENANT}/{digest_of(4)[:2]}/{digest_of(4)}")


def test_a_file_with_nothing_in_it_is_told(objects: ObjectStore) -> None:
    (found,) = Given(objects).file("empty.zip", zipped({})).listed()
    assert found.line.name == "empty.zip"
    assert found.error is not None


def test_a_job_without_a_set_says_so(objects: ObjectStore) -> None:
    source = UploadSource(JobUploads(UploadStore(objects), TENANT, "none"), Given(objects).tools)
    with pytest.raises(NotFoundError):
        list(source.lines(""))
