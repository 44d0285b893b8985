"""What the demonstration holds for right, and where its photos come from."""

from __future__ import annotations

import json
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from services.cli.demo.checks import ANSWERS, PICTURES, WORDS, Question, judge_answer, judge_search
from services.cli.demo.photos import load_photos
from services.cli.errors import CliError

QUESTION = Question("a cat", ("cat.png",))
DESCRIBED = json.loads(files("services.cli.demo").joinpath("photos.json").read_text(encoding="utf-8"))


def searched(leg: str = "image", **item: Any) -> dict[str, Any]:
    whole = {"key": "photo-01", "title": "", "text": "", "ocr_text": "", "tags": [], **item}
    return {"hits": [{"item": whole, "why": {"legs": [{"leg": leg, "score": 0.3}], "matched_words": []}}]}


def test_the_expected_photo_by_its_pixels_is_right() -> None:
    finding = judge_search(QUESTION, {"photo-01"}, searched())
    assert (finding.wrong, finding.found, finding.detail) == ("", "photo-01", "0.30")


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ({"hits": []}, "nothing was found"),
        (searched(key="photo-02"), "another photo came first"),
        (searched(text="A cat."), "text is stored"),
        (searched(title="cat.png"), "text is stored"),
        (searched(leg="bm25"), "another leg"),
    ],
)
def test_everything_else_is_wrong(answer: dict[str, Any], wrong: str) -> None:
    assert wrong in judge_search(QUESTION, {"photo-01"}, answer).wrong


def answered(**changes: Any) -> dict[str, Any]:
    citation = {"number": 1, "item_id": "id-1", "quote": "A cat."}
    return {"answer": "“A cat.” [1].", "citations": [citation], "nothing_relevant": False, **changes}


def test_an_answer_that_rests_on_the_expected_photo_is_right() -> None:
    assert judge_answer(QUESTION, {"id-1"}, answered()).wrong == ""


@pytest.mark.parametrize(
    ("expected", "answer", "wrong"),
    [
        ({"id-1"}, answered(citations=[]), "cites nothing"),
        ({"id-1"}, answered(nothing_relevant=True), "cites nothing"),
        ({"id-2"}, answered(), "another photo"),
        (set(), answered(), "another photo"),
        ({"id-1"}, answered(answer="A cat."), "not in the answer"),
        ({"id-1"}, answered(citations=[{"number": 1, "item_id": "id-1", "quote": ""}]), "not in the answer"),
    ],
)
def test_an_answer_that_does_not_is_wrong(expected: set[str], answer: dict[str, Any], wrong: str) -> None:
    assert wrong in judge_answer(QUESTION, expected, answer).wrong


def test_every_question_is_about_a_photo_that_is_shown() -> None:
    shown = {entry["file"] for entry in DESCRIBED}
    assert all(set(question.expected) <= shown for question in (*WORDS, *PICTURES, *ANSWERS))
    assert {question.asked for question in PICTURES} <= shown


def test_photos_that_are_there_are_not_fetched_and_their_keys_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "scikit-image-0.26.0").mkdir()
    photos = load_photos(tmp_path)
    assert len(photos) == len(DESCRIBED)
    assert len({photo.key for photo in photos}) == len(photos)
    assert all(photo.path.stem not in photo.key for photo in photos)


def test_another_wheel_than_the_expected_one_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "scikit_image.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("skimage/data/chelsea.png", b"not the cat")
    with pytest.raises(CliError, match="not the wheel that is expected"):
        load_photos(tmp_path / "photos", wheel)
    assert not (tmp_path / "photos").exists()
