"""Tables as sources: read in the sandbox, row by row, from any row on."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from services.common.errors import ConflictError, ForbiddenError, ImageragError, InvalidRequestError
from services.common.jobs.records import JobOptions, ManifestLine
from services.common.media.store import MediaStore
from services.common.objects import LocalObjects
from tests.fixtures.web import Page, WebServer, policy
from workers.fetching.fetcher import Fetcher
from workers.opening import table as opener
from workers.sources.manifest import ManifestSource, read_manifest
from workers.sources.source import Listed, SourceTools


def picture(red: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (red, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "allowed" / "photos").mkdir(parents=True)
    (tmp_path / "allowed" / "photos" / "a.png").write_bytes(picture(1))
    return tmp_path / "allowed"


def tools(folder: Path, **columns: str) -> SourceTools:
    media = MediaStore(LocalObjects(folder.parent / "data"))
    return SourceTools(media, "default", [folder], options=JobOptions(columns=columns))


def listed(folder: Path, name: str, **columns: str) -> list[Listed]:
    return list(ManifestSource(str(folder / name), tools(folder, **columns)).lines(""))


def lines(found: list[Listed]) -> list[ManifestLine]:
    return [each.line for each in found if not each.error]


def reasons(found: list[Listed]) -> dict[str, str]:
    return {each.line.name: each.error.message for each in found if each.error}


def write_parquet(path: Path, columns: Mapping[str, Any], rows_of_a_group: int = 1000) -> Path:
    pq.write_table(pa.table(dict(columns)), path, row_group_size=rows_of_a_group)
    return path


CSV = """sku,image,name,tags,price,page
1,photos/a.png,Red dress,"red,dress",299,
2,,Only words,,,3
3,,,,1,
4,../../etc/passwd,x,,,
5,photos/a.png,x,,,three
6,photos/a.png,y,,,,,7
"""


def test_a_csv_gives_lines_and_reasons_by_row_and_column(folder: Path) -> None:
    (folder / "t.csv").write_text(CSV)
    found = listed(folder, "t.csv")
    first, second = lines(found)
    assert first == ManifestLine(
        name="photos/a.png",
        key="1",
        path=str(folder / "photos" / "a.png"),
        title="Red dress",
        tags=("red", "dress"),
        metadata={"price": 299},
        source_uri=(folder / "photos" / "a.png").as_uri(),
    )
    assert (second.name, second.title, second.position and second.position.page) == ("Only words", "Only words", 3)
    assert reasons(found) == {
        "row 4": "Row 4: Neither a picture nor words: there is nothing to find the item by.",
        "row 5": "Row 5: '../../etc/passwd' is outside the folders that IMAGERAG_SOURCE_ROOTS allows.".replace(
            "'../../etc/passwd'", repr(str(folder / "../../etc/passwd"))
        ),
        "row 6": "Row 6, column 'page': A whole number is needed here, and this is 'three'.",
        "row 7": reasons(found)["row 7"],
    }
    assert reasons(found)["row 7"].startswith("Row 7: It has 8 cells, and the head has 6.")


def test_columns_are_mapped_as_asked(folder: Path) -> None:
    (folder / "t.csv").write_text("产品;说明;id\nKleid;rot;7\n")
    (line,) = lines(listed(folder, "t.csv", title="产品", key="id", **{"metadata.note": "说明"}))
    assert (line.title, line.key, line.text, line.metadata) == ("Kleid", "7", "", {"note": "rot"})


def test_too_long_a_cell_names_its_column(folder: Path) -> None:
    (folder / "t.csv").write_text("Produkt\nx\n" + "y" * 1001 + "\n")
    found = listed(folder, "t.csv", title="Produkt")
    assert reasons(found) == {"row 3": "Row 3, column 'Produkt': String should have at most 1000 characters."}


def test_a_picture_that_was_put_before_is_named_by_its_digest(folder: Path) -> None:
    digest = tools(folder).media.put("default", picture(9))
    (folder / "t.csv").write_text(f"sha256,title\n{digest},there\n{'0' * 64},gone\nxyz,wrong\n")
    found = listed(folder, "t.csv")
    assert [(line.sha256, line.title) for line in lines(found)] == [(digest, "there")]
    assert "PUT /v1/media" in reasons(found)["row 3"]
    assert reasons(found)["row 4"].startswith("Row 4, column 'sha256': ")


def test_a_parquet_file_keeps_its_types(folder: Path) -> None:
    columns = {
        "path": ["photos/a.png", None],
        "text": ["one", "two"],
        "price": pa.array([1.5, None]),
        "sold": pa.array([datetime(2026, 1, 31, tzinfo=UTC)] * 2, pa.timestamp("ns", "Asia/Shanghai")),
        "sizes": [["S", "M"], []],
        "raw": [b"\x00", b"\x01"],
        "colour": pa.array(["red", "blue"]).dictionary_encode(),
        "tags": [["a"], None],
    }
    write_parquet(folder / "t.parquet", columns)
    first, second = lines(listed(folder, "t.parquet"))
    assert first.path == str(folder / "photos" / "a.png")
    assert first.metadata == {
        "price": 1.5,
        "sold": "2026-01-31T00:00:00+00:00",
        "sizes": ["S", "M"],
        "colour": "red",
    }
    assert (first.tags, second.text, second.path) == (("a",), "two", "")


def test_pictures_inside_a_parquet_file_are_kept(folder: Path) -> None:
    cells = [
        {"bytes": picture(1), "path": "one.png"},
        {"bytes": b"none", "path": "x"},
        {"bytes": None, "path": None},
    ]
    write_parquet(folder / "t.parquet", {"image": cells, "label": [3, 4, 5], "caption": ["one", "two", None]})
    found = listed(folder, "t.parquet")
    (line,) = lines(found)
    assert (line.name, line.text, line.metadata) == ("one.png", "one", {"label": 3})
    assert tools(folder).media.get("default", line.sha256)
    assert set(reasons(found)) == {"row 2", "row 3"}


def test_a_picture_above_the_limit_is_told(folder: Path) -> None:
    write_parquet(folder / "t.parquet", {"image": [b"x" * 5000]})
    bounded = tools(folder)
    limited = SourceTools(bounded.media, "default", [folder], limits=type(bounded.limits)(max_bytes=4000))
    (found,) = ManifestSource(str(folder / "t.parquet"), limited).lines("")
    assert found.error
    assert "5,000 bytes" in found.error.message


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_table_goes_on_from_any_row(folder: Path, name: str) -> None:
    texts = [f"text {number}" for number in range(40)]
    if name == "t.csv":
        (folder / name).write_text("text\n" + "\n".join(texts) + "\n")
    else:
        write_parquet(folder / name, {"text": texts}, rows_of_a_group=7)
    source = ManifestSource(str(folder / name), tools(folder))
    for size in (9, 40):
        read, cursor = [], ""
        while part := list(islice(source.lines(cursor), size)):
            read += [each.line.text for each in part]
            cursor = part[-1].cursor
        assert read == texts


def test_a_table_that_was_replaced_is_noticed_and_a_copy_is_not(folder: Path) -> None:
    path = folder / "t.csv"
    path.write_text("text\n1\n2\n")
    cursor = next(ManifestSource(str(path), tools(folder)).lines("")).cursor
    os.utime(path, (1, 1))
    assert [each.line.text for each in ManifestSource(str(path), tools(folder)).lines(cursor)] == ["2"]
    path.write_text("text\n1\n3\n")
    with pytest.raises(ConflictError):
        list(ManifestSource(str(path), tools(folder)).lines(cursor))


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_pictures_of_the_web_are_kept_in_the_order_of_their_rows(folder: Path, name: str) -> None:
    pages = {f"/{number}.png": Page(picture(number)) for number in range(20) if number != 7}
    with WebServer(pages) as server:
        urls = [server.url(f"/{number}.png") for number in range(20)]
        if name == "t.csv":
            (folder / name).write_text("url,text\n" + "".join(f"{url},n\n" for url in urls))
        else:
            (folder / name).write_text("".join(json.dumps({"url": url}) + "\n" for url in urls))
        with Fetcher(policy(server.port)) as fetcher:
            webbed = replace(tools(folder), fetcher=fetcher)
            found = list(ManifestSource(str(folder / name), webbed).lines(""))
    assert [each.line.name for each in found if not each.error] == [url for url in urls if "/7.png" not in url]
    assert [each.line.source_uri for each in found][:2] == urls[:2]
    assert [bool(each.error) for each in found] == [number == 7 for number in range(20)]
    assert all(webbed.media.exists("default", each.line.sha256) for each in found if not each.error)


def test_without_fetching_an_address_is_refused(folder: Path) -> None:
    (folder / "t.csv").write_text("url\nhttp://127.0.0.2/a.png\n")
    found = listed(folder, "t.csv")
    assert "IMAGERAG_WORKERS_URL_FETCH" in reasons(found)["row 2"]


def test_an_uploaded_table_has_no_folder(folder: Path) -> None:
    (folder / "t.csv").write_text(f"path,title\nphotos/a.png,x\n{folder}/photos/a.png,y\n")
    with (folder / "t.csv").open("rb") as file:
        found = list(read_manifest(file, "t.csv", None, tools(folder)))
    assert [line.title for line in lines(found)] == ["y"]
    assert "knows no folder" in reasons(found)["row 2"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PAR1", "cannot be read as Parquet"),
        (b"PAR1" + os.urandom(200) + b"PAR1", "cannot be read as Parquet"),
        (b"PAREnothing", "cannot be read as Parquet"),
    ],
)
def test_a_broken_parquet_file_is_explained(folder: Path, data: bytes, words: str) -> None:
    (folder / "t.parquet").write_bytes(data)
    with pytest.raises(InvalidRequestError) as raised:
        listed(folder, "t.parquet")
    assert words in raised.value.message


def test_what_comes_before_a_damaged_group_is_read(folder: Path) -> None:
    path = folder / "t.parquet"
    pq.write_table(
        pa.table({"text": [os.urandom(30).hex() for _ in range(300)]}),
        path,
        row_group_size=100,
        compression="none",
    )
    data = bytearray(path.read_bytes())
    place = pq.ParquetFile(path).metadata.row_group(2).column(0).data_page_offset
    data[place : place + 40] = b"\xff" * 40
    path.write_bytes(data)
    found: list[Listed] = []
    with pytest.raises(ImageragError) as raised:
        found.extend(ManifestSource(str(path), tools(folder)).lines(""))
    read = [each.line.name for each in islice(ManifestSource(str(path), tools(folder)).lines(""), 200)]
    assert read == [f"row {number}" for number in range(1, 201)]
    assert "near row 201" in raised.value.message


def test_an_unknown_column_says_which_there_are(folder: Path) -> None:
    write_parquet(folder / "t.parquet", {"text": ["x"], "preis": [1]})
    with pytest.raises(InvalidRequestError, match=r"no column 'price'.*'text', 'preis'"):
        listed(folder, "t.parquet", **{"metadata.price": "price"})


def test_a_table_outside_the_roots_is_refused(folder: Path) -> None:
    with pytest.raises(ForbiddenError):
        list(ManifestSource("/etc/passwd", tools(folder)).lines(""))


def test_parts_are_bounded_by_bytes_and_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opener, "_PART_ROWS", 3)
    monkeypatch.setattr(opener, "MAX_ROW_BYTES", 2000)
    monkeypatch.setattr(opener, "_PART_BYTES", 1500)
    text = "text\n" + "".join(f"{'x' * length}\n" for length in (1, 1, 1, 1, 1000, 1000, 3000, 1))
    arguments = {"name": "t.csv", "columns": {}, "after": 0, "picture_bytes": 1}
    parts = list(opener.open_parts(io.BytesIO(text.encode()), arguments))
    assert [len(part.record["rows"]) for part in parts[1:]] == [3, 2, 3]
    assert parts[0].record == {"kind": "table", "columns": {"text": "text"}}
    assert "longer" in parts[3].record["rows"][1]["wrong"]
