"""CSV as people save it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import InvalidRequestError
from workers.opening.tables import delimited
from workers.opening.tables.columns import Columns
from workers.opening.tables.delimited import DelimitedTable, Row, likely_delimiter, typed_columns


def table(text: str | bytes, name: str = "t.csv", encoding: str = "utf-8") -> DelimitedTable:
    return DelimitedTable(io.BytesIO(text if isinstance(text, bytes) else text.encode(encoding)), name)


def rows(text: str | bytes, name: str = "t.csv", after: int = 0, encoding: str = "utf-8") -> list[Row]:
    found = table(text, name, encoding)
    return list(found.rows(Columns({}, {column: column for column in found.columns}), after))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_delimiter_encoding_and_line_ends_are_found_out(encoding: str, delimiter: str, ending: str) -> None:
    text = ending.join(delimiter.join(line) for line in (("标题", "价格"), ("红色连衣裙", "299"), ("两行", "3")))
    assert [row.cells for row in rows(text, encoding=encoding)] == [
        {"标题": "红色连衣裙", "价格": 299},
        {"标题": "两行", "价格": 3},
    ]


def test_a_tsv_is_one_by_its_name() -> None:
    assert rows("a\tb,c,d\n1\t2\n", "t.TSV")[0].cells == {"a": 1, "b,c,d": 2}


def test_rows_are_counted_as_spreadsheets_do_and_empty_ones_left_out() -> None:
    found = rows('title,n\n"two\nlines",1\n\n,,\nx,2\n')
    assert [(row.number, row.cells["title"]) for row in found] == [(2, "two\nlines"), (5, "x")]


def test_a_column_is_of_numbers_only_if_all_of_it_is() -> None:
    assert [row.cells for row in rows("size,n,ok\n42,1,true\nM,2.5,false\n")] == [
        {"size": "42", "n": 1, "ok": True},
        {"size": "M", "n": 2.5, "ok": False},
    ]


def test_what_comes_late_and_is_no_number_stays_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_SAMPLE_ROWS", 2)
    assert [row.cells["n"] for row in rows("n,t\n1,a\n2,b\nfew,c\n")] == [1, 2, "few"]


def test_a_row_with_more_cells_than_the_head_is_wrong_and_one_with_fewer_is_not() -> None:
    found = rows("a,b\n1,2,3\n1\n1,2,\n")
    assert [bool(row.wrong) for row in found] == [True, False, False]
    assert found[0].wrong.startswith("It has 3 cells, and the head has 2.")


def test_rows_go_on_behind_any_row() -> None:
    text = "a\n" + "".join(f"{number}\n" for number in range(2, 20))
    for after in range(25):
        assert [row.number for row in rows(text, after=after)] == list(range(max(2, after + 1), 20))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b",,\n1,2,3\n", "empty"),
        (b"\x7fELF\x02\x01\x01\x00\x00", "Save it as UTF-8"),
        (b"a,b\n" + b"\xff\xfe\xfd" * 9, "Save it as UTF-8"),
        (",".join(f"c{number}" for number in range(1001)).encode(), "1001 columns"),
    ],
)
def test_what_is_no_table_is_explained(data: bytes, words: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        rows(data)
    assert words in raised.value.message


def test_an_open_quotation_mark_ends_the_reading_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_ROW_CHARS", 100)
    found = table('a,b\n1,2\n"open,3\n' + "x,4\n" * 100)
    read = found.rows(Columns({}, {"a": "a"}), 0)
    with pytest.raises(InvalidRequestError, match=r"behind row 2 .*not closed"):
        list(read)


def test_bytes_that_are_no_text_are_told_where_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "SAMPLE_BYTES", 8)
    monkeypatch.setattr(delimited, "_SAMPLE_ROWS", 0)
    found = table(b"a\n1\n2\n3\n" + b"4\n" * 100_000 + b"\xff\n")
    with pytest.raises(InvalidRequestError, match="not UTF-8 all the way"):
        list(found.rows(Columns({}, {"a": "a"}), 0))


_CELLS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=8)


@given(st.lists(st.lists(_CELLS, min_size=2, max_size=2), min_size=1, max_size=9), st.sampled_from(",;\t|"))
def test_what_a_csv_writer_writes_is_read_back(cells: Sequence[Sequence[str]], delimiter: str) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter)
    writer.writerow(["first column", "second column"])
    writer.writerows(cells)
    lines = buffer.getvalue().splitlines(keepends=True)
    if likely_delimiter(lines) != delimiter:
        return  # cells that hold another delimiter in every row: no one could tell
    found = table(buffer.getvalue()).rows(Columns(), 0)
    assert [list(row.cells.values()) for row in found] == [list(row) for row in cells if any(row)]


def test_types_come_from_cells_that_are_filled() -> None:
    assert typed_columns(["a", "b", "c"], [["", "x", ""], ["1", "2", ""]]) == {"a"}
