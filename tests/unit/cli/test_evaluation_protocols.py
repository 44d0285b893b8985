"""Questions, judging and tables on rankings made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from services.cli.evaluation import composed, mixed, pixels, sweep
from services.cli.evaluation.judging import judge_neighbours, judge_text, recalls, same_description
from services.cli.evaluation.questions import KEY_PREFIX, MARK, Answer, Options, Question, query_of, to_answer
from services.cli.evaluation.rendering import render
from services.cli.evaluation.results import Check, Report
from services.cli.evaluation.stamps import Stamp

STAMPS = [
    Stamp("animals/cats/cat", Path("cat.png"), "A cat.", "猫"),
    Stamp("animals/cats/tiger", Path("tiger.png"), "A tiger.", "老虎"),
    Stamp("animals/birds/owl", Path("owl.png"), "An owl.", ""),
    Stamp("plants/rose", Path("rose.png"), "A flower.", "花"),
    Stamp("plants/lily", Path("lily.png"), "A flower.", "花"),
]
KEYS = [stamp.key for stamp in STAMPS]


def answer(own: str, *ranked: str, shown: tuple[str, ...] = ()) -> Answer:
    return Answer(Question(own, text="x"), ranked, shown)


def test_a_search_and_its_answer() -> None:
    assert query_of(Question("k", "a cat"), Options()) == {
        "text": "a cat",
        "limit": 10,
        "filter": {MARK: True},
        "include_irrelevant": True,
    }
    chosen = query_of(Question("k"), Options(legs={"image": 1.0}, rrf_k=20.0, limit=11))
    assert (chosen["legs"], chosen["rrf_k"], chosen["limit"]) == ({"image": 1.0}, 20.0, 11)
    document = {
        "hits": [
            {"item": {"key": f"{KEY_PREFIX}a/b"}, "relevant": True},
            {"item": {"key": f"{KEY_PREFIX}c"}, "relevant": False},
        ]
    }
    assert to_answer(Question("q"), document) == Answer(Question("q"), ("a/b", "c"), ("a/b",))


def test_pixels_stores_no_word() -> None:
    for entry, stamp in zip(pixels.entries(STAMPS), STAMPS, strict=True):
        assert set(entry.fields) == {"key", "metadata"}
        assert entry.path == stamp.path
    assert len(pixels.chinese(STAMPS)) == 4


def test_the_same_description_is_right_too() -> None:
    relevant = same_description(STAMPS, pixels.english_of)
    assert relevant["plants/rose"] == {"plants/rose", "plants/lily"}
    assert "animals/birds/owl" not in same_description(STAMPS, pixels.chinese_of)
    judged = judge_text(
        [answer("plants/rose", "plants/lily"), answer("animals/cats/cat", "plants/rose")], relevant
    )
    assert judged["recall@10"].mean == 0.5
    assert judged["own item@10"].mean == 0.0
    assert judged["MRR@10"].mean == 0.5


def test_neighbours_leave_out_the_query_and_lonely_groups() -> None:
    folders = {stamp.key: stamp.folder for stamp in STAMPS}
    asked = [
        answer("animals/cats/cat", "animals/cats/cat", "animals/cats/tiger", "plants/rose"),
        answer("animals/cats/tiger", "plants/rose", "animals/cats/tiger"),
        answer("animals/birds/owl", "animals/birds/owl", "plants/rose"),
        answer("plants/lily", "plants/lily"),
    ]
    assert judge_neighbours(asked, folders) == [1.0, 0.0, 0.0]
    table = pixels.pictures_table(STAMPS, asked)
    assert table.cell(pixels.FOLDER, "P@1").mean == pytest.approx(1 / 3)


def test_mixed_gives_titles_to_a_half() -> None:
    texted = mixed.texted_half(STAMPS)
    assert len(texted) == 2
    assert texted == mixed.texted_half(STAMPS)
    titles = {entry.name: entry.fields.get("title") for entry in mixed.entries(STAMPS, texted)}
    assert {key for key, title in titles.items() if title} == texted
    assert mixed.entries(STAMPS, frozenset({"plants/rose"}))[3].fields["title"] == "plants rose"


def test_mixed_compares_the_legs_by_half() -> None:
    texted = frozenset({"animals/cats/cat", "plants/rose"})
    found, lost = [answer(key, key, shown=()) for key in KEYS], [answer(key) for key in KEYS]
    texts = [answer(key, *([key] if key in texted else [])) for key in KEYS]
    ways = {mixed.IMAGE: found, mixed.TEXT: texts, mixed.BM25: lost, mixed.HYBRID: texts}
    relevant = {key: frozenset({key}) for key in KEYS}
    table = mixed.table("mixed_english", "English", ways, relevant, texted)
    assert table.cell(mixed.HYBRID, mixed.OVERALL).mean == pytest.approx(0.4)
    assert table.cell(mixed.HYBRID, mixed.BARE).mean == 0.0
    assert table.cell(mixed.HYBRID, mixed.TEXTED).mean == 1.0
    assert table.cell(mixed.DIFFERENCE, mixed.OVERALL).mean == pytest.approx(-0.6)
    assert table.cell(mixed.SHOWN, mixed.TEXTED).mean == 0.0
    assert [check.met for check in mixed.checks("English", table)] == [False, False]
    good = mixed.table("mixed_english", "English", {**ways, mixed.HYBRID: found}, relevant, texted)
    assert [check.met for check in mixed.checks("English", good)] == [True, True]


def test_of_a_half_only_its_own_items_are_right() -> None:
    texted = frozenset({"plants/rose"})
    relevant = same_description(STAMPS, pixels.english_of)
    twin = answer("plants/lily", "plants/rose")
    found = mixed.by_half([twin], relevant, texted, recalls)
    assert found == {mixed.OVERALL: [1.0], mixed.BARE: [0.0], mixed.TEXTED: []}
    assert set(mixed.estimates(found)) == {mixed.OVERALL, mixed.BARE}


def test_the_sweep_tries_every_combination_once() -> None:
    settings = list(sweep.settings())
    assert len(set(settings)) == len(sweep.CONSTANTS) * len(sweep.TEXT_WEIGHTS)
    assert settings[0].options.legs == {"image": 1.0, "text": 0.25, "bm25": 0.25}
    questions = [Question(str(number)) for number in range(400)]
    drawn = sweep.draw(questions)
    assert len(set(drawn)) == sweep.QUESTIONS
    assert drawn == sweep.draw(questions)
    row = sweep.row(
        settings[0],
        {"English": [answer("a", "a"), answer("b")]},
        {"English": {"a": frozenset("a"), "b": frozenset("b")}},
        frozenset({"a"}),
    )
    assert {name: cell.mean for name, cell in row.cells.items()} == {
        "English overall": 0.5,
        "English bare half": 0.0,
        "English texted half": 1.0,
    }


def test_composed_asks_with_two_different_things() -> None:
    asked = composed.pairs(STAMPS)
    assert asked == composed.pairs(STAMPS)
    assert all(pair.pictured.english != pair.described.english for pair in asked)
    both = [answer("x", pair.pictured.key) for pair in asked]
    words = [answer("x", pair.described.key) for pair in asked]
    rows = composed.table(asked, both, words).rows
    assert [row.cells["share of queries"].mean for row in rows] == [1.0, 0.0, 1.0]


def test_a_check_counts_to_the_third_decimal() -> None:
    assert Check("x", 0.4196, 0.42).met
    assert not Check("x", 0.4194, 0.42).met


def test_the_report_prints_and_serialises_every_figure() -> None:
    asked = [answer(key, key) for key in KEYS]
    words = pixels.words_table(STAMPS, asked, asked[:2])
    found = pixels.pictures_table(STAMPS, asked)
    report = Report(
        {"url": "http://x", "version": "1", "model": "[bold]starter"},
        {"name": "stamps", "items": 5, "chinese": 4},
        (words, found),
        tuple(pixels.checks(words, found)),
        {"pixels": 1.0},
    )
    console = Console(width=160)
    with console.capture() as captured:
        console.print(render(report))
    printed = captured.get()
    assert "1.000 ±0.000" in printed
    assert "[bold]starter" in printed
    assert "missed" in printed
    document = report.document()
    assert document["tables"]["pixels_words"]["rows"][0]["recall@10"]["count"] == 5
    assert [check["met"] for check in document["checks"]] == [True, True, False]
