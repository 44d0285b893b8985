"""`imagerag eval` as a person runs it, on a dozen pictures of our own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from services.cli.evaluation.stamps import ROOT

COLOURS = ("red", "green", "blue", "yellow")
SHAPES = ("ball", "box", "stripe")
CHINESE = {"red": "红", "green": "绿", "blue": "蓝", "yellow": "黄", "ball": "球", "box": "盒子", "stripe": "条纹"}


def make_stamps(folder: Path) -> None:
    for shape in SHAPES:
        (folder / ROOT / shape).mkdir(parents=True)
        for colour in COLOURS:
            image = Image.new("RGBA", (64, 64))
            canvas = ImageDraw.Draw(image)
            boxes = {"ball": canvas.ellipse, "box": canvas.rectangle, "stripe": canvas.rectangle}
            boxes[shape]((8, 24 if shape == "stripe" else 8, 56, 40 if shape == "stripe" else 56), fill=colour)
            path = folder / ROOT / shape / f"{colour}_{shape}.png"
            image.save(path)
            text = f"A {colour} {shape}.\nzh_CN.utf8={CHINESE[colour]}{CHINESE[shape]}\n"
            path.with_suffix(".txt").write_text(text, encoding="utf-8")


@pytest.mark.timeout(300)
def test_both_protocols_are_measured_on_the_real_system(tmp_path: Path) -> None:
    make_stamps(tmp_path / "stamps")
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "services.cli", "eval", "--stamps", str(tmp_path / "stamps")]
    done = subprocess.run(
        [*command, "--json", str(figures)], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Mixed, Chinese" in done.stdout
    assert "Targets are checked on the whole data set alone" in done.stdout
    document = json.loads(figures.read_text())
    assert document["data_set"] == {"name": "tuxpaint-stamps-default", "items": 12, "chinese": 12}
    assert document["system"]["model"] == "starter"
    tables = {name: {row["label"]: row for row in table["rows"]} for name, table in document["tables"].items()}
    assert tables["pixels_words"]["English words"]["recall@10"]["count"] == 12
    assert tables["pixels_pictures"]["same folder"]["P@1"]["count"] == 12
    mixed = tables["mixed_english"]
    # Every texted item is named word by word; no bare item has a word to be found by.
    assert mixed["bm25 leg"]["texted half"]["mean"] == 1.0
    assert mixed["bm25 leg"]["bare half"]["mean"] == 0.0
    assert mixed["text leg"]["bare half"]["mean"] == 0.0
    assert mixed["image leg"]["overall"]["mean"] > 0.5
