"""The page's promises that show in its files: nothing from elsewhere, nothing inline, no HTML from strings."""

import re
from pathlib import Path

import pytest

import services.gateway
from services.common.errors import NotFoundError
from services.gateway.page_files import PageFiles

FOLDER = Path(services.gateway.__file__).parent / "page"
SCRIPTS = sorted(FOLDER.rglob("*.js"))
PAGES = sorted(FOLDER.rglob("*.html"))
OURS = {"http://www.w3.org/2000/svg"}


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_parses_html_or_code(path: Path) -> None:
    parsing = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser"
    running = r"\beval\(|new Function|setAttribute\(\"style"
    assert not re.search(f"{parsing}|{running}", read(path))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_nothing_is_inline(path: Path) -> None:
    text = read(path)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", text)


@pytest.mark.parametrize("path", [*SCRIPTS, *PAGES, *FOLDER.rglob("*.css")], ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    assert set(re.findall(r"https?://[^\s\"'`)]+", read(path))) <= OURS
    assert not re.search(r"url\(|@import", read(path)) or path.suffix != ".css"


def test_every_file_that_is_named_is_there() -> None:
    files = PageFiles()
    for page in PAGES:
        for name in re.findall(r'(?:src|href)="/page/([^"]+)"', read(page)):
            assert files.get(name).data
    for script in SCRIPTS:
        for name in re.findall(r'from "\./([^"]+)"', read(script)):
            assert files.get(f"js/{name}").data


def test_both_languages_say_everything() -> None:
    text = read(FOLDER / "js" / "strings.js")
    english, chinese = (
        re.findall(r'^  "?([\w.]+)"?: ', part, re.MULTILINE) for part in text.split("const zh = {")
    )
    assert english == chinese
    assert len(english) > 80


def test_every_sentence_that_is_asked_for_exists() -> None:
    known = set(re.findall(r'^  "?([\w.]+)"?: ', read(FOLDER / "js" / "strings.js"), re.MULTILINE))
    asked = {
        key
        for script in SCRIPTS
        if script.name != "strings.js"
        for key in re.findall(r'\bt\("([\w.]+)"', read(script))
    }
    asked |= set(re.findall(r'data-i18n(?:-label)?="([\w.]+)"', read(FOLDER / "index.html")))
    assert asked <= known


@pytest.mark.parametrize("name", ["../keys.py", "..%2Fkeys.py", "/etc/passwd", "js", "", "js/../../app.py"])
def test_only_the_pages_own_files_are_served(name: str) -> None:
    with pytest.raises(NotFoundError):
        PageFiles().get(name)
