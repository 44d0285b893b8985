"""Tables that strangers made, or that were damaged: each gives rows and reasons, or one reason, and no crash."""

from __future__ import annotations

import io
import random
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.common.errors import ImageragError, InternalError
from services.common.media.store import MediaStore
from services.common.objects import LocalObjects
from workers.opening.table import open_parts
from workers.sources.manifest import ManifestSource
from workers.sources.source import SourceTools

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]
PARQUET_MUTATIONS = 40
CSV_MUTATIONS = 2000
ROWS = 200


def tools(folder: Path, memory_bytes: int = 2 * 1024**3) -> SourceTools:
    given = SourceTools(MediaStore(LocalObjects(folder / "data")), "default", [folder])
    return replace(given, sandbox=replace(given.sandbox, memory_bytes=memory_bytes, cpu_s=30, silence_s=60.0))


def read(path: Path, memory_bytes: int = 2 * 1024**3) -> tuple[int, int, ImageragError | None]:
    """Rows and wrong rows of a table, and what ended the reading."""
    good = wrong = 0
    try:
        for listed in ManifestSource(str(path), tools(path.parent, memory_bytes)).lines(""):
            good, wrong = good + (not listed.error), wrong + bool(listed.error)
    except ImageragError as error:
        return good, wrong, error
    return good, wrong, None


def test_damaged_parquet_files_end_with_a_reason(tmp_path: Path) -> None:
    generator = random.Random(7)
    columns = {
        "text": [f"row {number}" for number in range(ROWS)],
        "price": [number * 0.5 for number in range(ROWS)],
        "tags": [["a", "b"]] * ROWS,
        "at": pa.array([number * 10**9 for number in range(ROWS)], pa.timestamp("ns", "UTC")),
    }
    whole = io.BytesIO()
    pq.write_table(pa.table(columns), whole, row_group_size=50)
    ends: Counter[str] = Counter()
    for number in range(PARQUET_MUTATIONS):
        data = bytearray(whole.getvalue())
        for _ in range(generator.choice((1, 4, 40))):
            data[generator.randrange(4, len(data) - 4)] = generator.randrange(256)
        path = tmp_path / f"{number}.parquet"
        path.write_bytes(data)
        good, wrong, error = read(path)
        assert good + wrong <= ROWS
        assert error is None or (error.message and not isinstance(error, InternalError)), error
        ends["read" if error is None else error.code] += 1
    print(f"\n{PARQUET_MUTATIONS} damaged Parquet files: {dict(ends)}")
    assert ends["read"] < PARQUET_MUTATIONS, "nothing was damaged"


def test_damaged_csv_files_give_rows_or_a_reason() -> None:
    generator = random.Random(11)
    whole = "path,title,tags,price\n" + "".join(f'p{n}.png,"title, {n}",a|b,{n}\n' for n in range(ROWS))
    ends: Counter[str] = Counter()
    for number in range(CSV_MUTATIONS):
        data = bytearray(whole.encode(generator.choice(("utf-8", "utf-16", "gb18030"))))
        for _ in range(generator.choice((1, 4, 40))):
            data[generator.randrange(len(data))] = generator.choice(b'",\n\r\0;\t\xff\x80a')
        arguments = {"name": f"{number}.csv", "columns": {}, "after": 0, "picture_bytes": 1000}
        try:
            rows = sum(len(part.record["rows"]) for part in list(open_parts(io.BytesIO(data), arguments))[1:])
            assert rows <= 3 * ROWS
            ends["read"] += 1
        except ImageragError as error:
            ends[error.code if error.message else "no reason"] += 1
    print(f"\n{CSV_MUTATIONS} damaged CSV files: {dict(ends)}")
    assert ends["read"]
    assert not ends["no reason"]


def test_a_small_file_that_unpacks_to_gigabytes_is_stopped(tmp_path: Path) -> None:
    large = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), pa.array(["x" * 20_000_000]))
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"text": large}), path)
    assert path.stat().st_size < 2_000_000
    started = time.monotonic()
    good, _, error = read(path, 1024**3)
    assert good == 0
    assert error is not None
    assert "memory" in error.message
    assert time.monotonic() - started < 60


def test_cells_that_are_lists_without_end_are_told_by_row(tmp_path: Path) -> None:
    path = tmp_path / "lists.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "list": [[["a"] * 50_000] * 30, []]}), path)
    assert read(path)[:2] == (1, 1)
