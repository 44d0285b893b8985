"""The rule that makes the data set."""

from __future__ import annotations

from pathlib import Path

from services.cli.evaluation.stamps import ROOT, Stamp, descriptions, read_stamps, sample


def write(folder: Path, name: str, text: str | None) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".png").write_bytes(b"picture")
    if text is not None:
        path.with_suffix(".txt").write_text(text, encoding="utf-8")


def test_only_described_objects_are_taken(tmp_path: Path) -> None:
    root = tmp_path / ROOT
    write(root, "animals/cat", "A cat.\nde.utf8=Eine Katze.\nzh_CN.utf8=一只猫。\nzh_TW.utf8=貓\n")
    write(root, "animals/dog", "A dog.\n")
    write(root, "animals/cat_mirror", "A cat.\n")
    write(root, "animals/cat_flip", "A cat.\n")
    write(root, "symbols/shapes/star", "A star.\n")
    write(root, "animals/cow", None)
    write(root, "animals/owl", "\nzh_CN.utf8=猫头鹰\n")
    write(root, "animals/bat", "")
    expected = [
        Stamp("animals/cat", root / "animals/cat.png", "A cat.", "一只猫。"),
        Stamp("animals/dog", root / "animals/dog.png", "A dog.", ""),
    ]
    assert read_stamps(tmp_path) == expected
    assert read_stamps(root) == expected


def test_descriptions() -> None:
    assert descriptions("  A fox. \nzh_CN.utf8= 狐狸。 \nzh_CN.utf8=second\n") == ("A fox.", "狐狸。")
    assert descriptions("zh_TW.utf8=狐狸") == ("zh_TW.utf8=狐狸", "")
    assert descriptions("") == ("", "")


def test_folders_and_words() -> None:
    stamp = Stamp("vehicles/flight/planes/bigJet_747-LH", Path("x.png"), "A jet.", "")
    assert stamp.folder == "vehicles/flight/planes"
    assert stamp.category(2) == "vehicles/flight"
    assert stamp.category(9) == stamp.folder
    assert stamp.words == "vehicles flight planes big jet 747 lh"


def test_a_sample_is_reproducible_and_ordered() -> None:
    stamps = [Stamp(f"a/{number:03}", Path("x.png"), "x", "") for number in range(100)]
    chosen = sample(stamps, 20, seed=3)
    assert chosen == sample(stamps, 20, seed=3)
    assert chosen != sample(stamps, 20, seed=4)
    assert len(set(chosen)) == 20
    assert [stamp.key for stamp in chosen] == sorted(stamp.key for stamp in chosen)
    assert sample(stamps, None, seed=3) == stamps
    assert sample(stamps, 500, seed=3) == stamps
