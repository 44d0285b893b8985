"""What a person names on the command line, sorted into what is sent and what the server reads."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from services.cli.errors import CliError
from services.cli.ingestion.planning import Asked, plan, read_url_list
from services.cli.ingestion.tables import table_entries
from tests.fixtures.archives import picture

PLAIN = Asked()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "img").mkdir()
    for number in range(3):
        (tmp_path / "img" / f"{number}.png").write_bytes(picture(number))
    (tmp_path / "notes.md").write_text("# Notes")
    return tmp_path


def write_csv(path: Path, rows: list[list[str]], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def test_files_are_sent_and_urls_are_read_by_the_server(folder: Path) -> None:
    found = plan([str(folder / "notes.md"), "s3://bucket/photos", "https://a.example/1.jpg"], [], PLAIN)
    assert [entry.name for entry in found.entries] == ["notes.md"]
    assert found.sources == [
        {"type": "auto", "path": "s3://bucket/photos"},
        {"type": "urls", "urls": ["https://a.example/1.jpg"]},
    ]


def test_paths_of_the_server_are_not_looked_at_here() -> None:
    found = plan(["/nowhere/here"], [], Asked(server_side=True))
    assert found.sources == [{"type": "auto", "path": "/nowhere/here"}]
    pictures = plan(["/nowhere/here"], [], Asked(server_side=True, only_pictures=True))
    assert pictures.sources == [{"type": "folder", "path": "/nowhere/here"}]


def test_many_urls_are_several_requests() -> None:
    found = plan([], [f"https://a.example/{number}" for number in range(10_001)], PLAIN)
    assert [len(source["urls"]) for source in found.sources] == [10_000, 1]


def test_a_list_of_urls_leaves_out_what_is_none(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("\ufeffhttps://a.example/1\n\n  # not this\n https://a.example/2 \n", encoding="utf-8")
    assert read_url_list(path) == ["https://a.example/1", "https://a.example/2"]
    with pytest.raises(CliError, match="cannot be read"):
        read_url_list(tmp_path / "none")


def test_a_file_uri_is_a_path_of_this_machine(folder: Path) -> None:
    assert plan([(folder / "notes.md").as_uri()], [], PLAIN).entries[0].path == folder / "notes.md"


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="no file or folder"):
        plan([str(tmp_path / "none")], [], PLAIN)


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".csv", ";"), (".tsv", "\t")])
def test_a_table_goes_with_the_pictures_that_it_names(folder: Path, suffix: str, delimiter: str) -> None:
    rows = [["sku", "photo", "note"], ["1", "img/0.png", "a, b"], ["2", "img/2.png", ""], ["3", "img/2.png", "x"]]
    table = write_csv(folder / f"items{suffix}", rows, delimiter)
    found = plan([str(table)], [], PLAIN)
    assert [[(entry.name, entry.role) for entry in entries] for entries in found.tables] == [
        [(table.name, "file"), ("img/0.png", "picture"), ("img/2.png", "picture")]
    ]
    assert len(found.all_entries()) == 3


def test_nothing_beside_pictures_below_its_folder_goes_with_a_table(folder: Path) -> None:
    (folder / "inner").mkdir()
    secret = folder / "secret.png"
    secret.write_bytes(picture(9))
    cells = ["../secret.png", str(secret), "a/../../secret.png", "notes.md", "x" * 5000 + ".png", "\0.png", "img"]
    table = write_csv(folder / "inner" / "items.csv", [["path"], *[[cell] for cell in cells]])
    assert [entry.name for entry in table_entries(table)] == ["items.csv"]


def test_parquet(folder: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"image": ["img/1.png", None, "gone.png"], "price": [1, 2, 3]})
    parquet.write_table(table, folder / "items.parquet")
    assert [entry.name for entry in table_entries(folder / "items.parquet")] == ["items.parquet", "img/1.png"]


def test_a_broken_table_is_left_to_the_workers(folder: Path) -> None:
    pytest.importorskip("pyarrow")
    for name in ("a.parquet", "b.csv"):
        (folder / name).write_bytes(b"PAR1 and nothing else \0")
        assert [entry.name for entry in table_entries(folder / name)] == [name]


def test_jsonl_is_read_here_unless_columns_are_named(folder: Path) -> None:
    manifest = folder / "items.jsonl"
    manifest.write_text(json.dumps({"path": "img/1.png", "title": "One"}), encoding="utf-8")
    assert [entry.fields for entry in plan([str(manifest)], [], PLAIN).entries] == [{"title": "One"}]
    assert plan([str(manifest)], [], Asked(with_columns=True)).tables[0][0].role == "file"
