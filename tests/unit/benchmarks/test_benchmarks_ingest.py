from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.ingest.files import Size, write_pictures
from benchmarks.ingest.flood import Flood
from benchmarks.ingest.memory import Sample, Samples, draw
from benchmarks.ingest.processes import cpu_s_by_part, pool, resident_bytes, tree, used
from benchmarks.ingest.stages import mean

MB = 1024 * 1024
BUSY = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\ninput()"


def _samples(*sizes_mb: int) -> Samples:
    return Samples([Sample(float(at), size * MB) for at, size in enumerate(sizes_mb)])


def test_memory_is_compared_by_quarters() -> None:
    samples = _samples(10, 90, 100, 101, 99, 100, 120, 121)
    assert [samples.quarter_mb(number) for number in range(4)] == [50, 100.5, 99.5, 120.5]


def test_the_curve_is_a_picture_that_holds_every_sample(tmp_path: Path) -> None:
    samples = _samples(100, 200, 150)
    draw(tmp_path / "new" / "memory.svg", samples.samples, "Memory")
    root = ElementTree.parse(tmp_path / "new" / "memory.svg").getroot()
    (line,) = root.iter("{http://www.w3.org/2000/svg}polyline")
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert len(points) == 3
    assert points[1][1] < points[2][1] < points[0][1], "more memory stands higher"


def test_the_bound_is_what_the_cores_have_time_for() -> None:
    flood = Flood(
        100, 1, 10.0, {"decode": 0.05, "encode": 0.15}, {"worker": 8.0, "encoder": 6.0}, 2, _samples(1, 1, 1, 1)
    )
    assert flood.per_s == 10
    assert flood.bound_per_s == pytest.approx(10)
    assert flood.busy_share == pytest.approx(0.7)
    goal, _ = flood.ratios()
    assert goal.median == pytest.approx(1.0)
    assert goal.verdict == "met"


def test_stages_are_averaged_one_by_one() -> None:
    assert mean([{"decode": 1.0, "encode": 2.0}, {"decode": 3.0, "encode": 2.0}]) == {"decode": 2.0, "encode": 2.0}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="Linux alone tells it")
def test_processor_time_is_counted_by_part_with_what_ended_below_it() -> None:
    before = cpu_s_by_part(os.getpid())
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE) as child:
        deadline = time.monotonic() + 30
        while used(before, cpu_s_by_part(os.getpid())).get(Path(sys.executable).name, 0) < 0.25:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert child.pid in tree(os.getpid())
        assert resident_bytes(child.pid) > MB
        assert pool(os.getpid()) == []
        child.communicate(b"\n")
    assert child.pid not in tree(os.getpid())
    assert resident_bytes(child.pid) == 0


def test_pictures_of_other_numbers_differ(tmp_path: Path) -> None:
    first = write_pictures(tmp_path / "a", 2, Size(40, 30))
    again = write_pictures(tmp_path / "b", 2, Size(40, 30), first=1)
    contents = [path.read_bytes() for path in (*first, *again)]
    assert contents[1] == contents[2]
    assert len(set(contents)) == 3
