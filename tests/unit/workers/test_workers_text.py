"""Plain texts and Markdown: encodings, blocks, headings, passages."""

from __future__ import annotations

import codecs
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import InvalidRequestError
from workers.opening.documents.blocks import Heading, markdown_blocks, plain_blocks
from workers.opening.documents.clean import clean
from workers.opening.documents.passages import Paragraph
from workers.opening.documents.sections import sections
from workers.opening.documents.titles import Titled, file_title, pdf_title, section_title
from workers.opening.documents.tokens import SPECIAL_TOKENS, count_tokens
from workers.opening.text import open_parts

CHINESE = "北京是中华人民共和国的首都，位于华北平原。\n"


def opened(data: bytes, name: str = "notes.txt", tokens: int = 77, markdown: bool = False) -> list[dict[str, Any]]:
    arguments = {"name": name, "tokens": tokens, "markdown": markdown}
    return [part.record for part in open_parts(BytesIO(data), arguments)]


def texts(records: list[dict[str, Any]]) -> list[str]:
    return [record["text"] for record in records if record["kind"] == "passage"]


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-32-le", codecs.BOM_UTF32_LE),
        ("gb18030", b""),
    ],
)
def test_encodings_are_recognised(encoding: str, mark: bytes) -> None:
    records = opened(mark + (CHINESE + "plain words\r\n").encode(encoding))
    assert texts(records) == ["北京是中华人民共和国的首都，位于华北平原。\nplain words"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_recognised_by_its_zeros(encoding: str) -> None:
    assert texts(opened("Plain words.".encode(encoding))) == ["Plain words."]


@pytest.mark.parametrize(
    "data", ["Été à la plage, déjà vu".encode("latin-1"), b"\x7fELF\x02\x01\x00\x00\xff\xfe", b"\x00" * 40]
)
def test_what_is_no_text_is_refused_with_what_to_do(data: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="Save it as UTF-8"):
        opened(data)


def test_a_text_that_is_damaged_further_on_says_where_and_keeps_what_came_before() -> None:
    data = b"Good words.\n\n" * 100_000 + b"bad \xff\xff word"
    parts = open_parts(BytesIO(data), {"name": "a.txt", "tokens": 77, "markdown": False})
    assert next(parts).record["kind"] == "document"
    assert next(parts).record["text"].startswith("Good words.")
    with pytest.raises(InvalidRequestError, match=r"not UTF-8 all the way.*near byte 1,[23]"):
        list(parts)


@given(st.text(max_size=300))
def test_any_text_in_utf_8_is_read(text: str) -> None:
    data = text.encode("utf-8", "ignore")
    try:
        found = texts(opened(data, markdown=True))
    except InvalidRequestError as error:
        assert "no words" in error.message or b"\x00" in data  # noqa: PT017
        return
    assert found


def test_an_empty_text_says_so() -> None:
    with pytest.raises(InvalidRequestError, match="no words"):
        opened(b"\n  \n")


@given(st.text())
def test_cleaned_text_can_be_written_down(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert not {"\x00", "\r", "\x0b"} & set(cleaned)
    assert clean(cleaned) == cleaned


def test_ligatures_become_letters() -> None:
    assert clean("ef\ufb01cient \ufb02ow") == "efficient flow"


def test_plain_paragraphs_stand_between_empty_lines() -> None:
    found = list(plain_blocks(["a", "b", "", "  ", "c"]))
    assert found == [Paragraph("a\nb"), Paragraph("c")]


def test_a_text_without_an_empty_line_is_not_held_as_a_whole() -> None:
    lines = iter(["word " * 100] * 1000)
    next(plain_blocks(lines))
    assert sum(1 for _ in lines) > 800


def test_markdown_has_headings_code_and_tables() -> None:
    text = """# Guide #
Intro
line

Setext
------
```py
# not a heading

x = 1
```
| a | b |
|---|---|
after
#hashtag
"""
    assert list(markdown_blocks(text.splitlines())) == [
        Heading(1, "Guide"),
        Paragraph("Intro\nline"),
        Heading(2, "Setext"),
        Paragraph("```py\n# not a heading\n\nx = 1\n```", verbatim=True),
        Paragraph("| a | b |\n|---|---|", verbatim=True),
        Paragraph("after\n#hashtag"),
    ]


def test_indented_code_stays_together_over_an_empty_line() -> None:
    found = list(markdown_blocks(["words", "", "    a = 1", "", "    b = 2", "", "more"]))
    assert [(each.text.split(), each.verbatim) for each in found if isinstance(each, Paragraph)] == [
        (["words"], False),
        (["a", "=", "1", "b", "=", "2"], True),
        (["more"], False),
    ]


def test_a_heading_with_nothing_below_is_kept() -> None:
    blocks: list[Heading | Paragraph] = [
        Heading(1, "A"),
        Heading(2, "B"),
        Paragraph("b"),
        Heading(2, "C"),
        Heading(1, "D"),
    ]
    assert [(section.headings, paragraph.text) for section, paragraph in sections(blocks)] == [
        (("A", "B"), "b"),
        (("A", "C"), "C"),
        (("D",), "D"),
    ]


def test_markdown_passages_carry_their_headings() -> None:
    text = "# Guide\nIntro.\n## Install\nRun it.\n## Use\nClick.\n# Notes\nEnd."
    records = opened(text.encode(), "guide.md", markdown=True)
    assert records[0] == {"kind": "document", "title": "Guide", "pages": 0}
    assert [(record["title"], record["text"]) for record in records[1:-1]] == [
        ("Guide", "Intro."),
        ("Guide › Install", "Run it."),
        ("Guide › Use", "Click."),
        ("Guide › Notes", "End."),
    ]
    assert [record["number"] for record in records[1:-1]] == [1, 2, 3, 4]


def test_a_code_block_that_fits_is_kept_whole() -> None:
    code = "```\n" + "\n".join(f"line_{number} = {number}" for number in range(8)) + "\n```"
    text = f"{'Some words before the code. ' * 6}\n\n{code}\n\nAfter."
    assert any(code in found for found in texts(opened(text.encode(), "a.md", 100, markdown=True)))


def test_a_passage_and_its_title_fit_into_the_tower() -> None:
    text = f"# {'Very long heading ' * 20}\n" + "Some words that go on. " * 100
    for record in opened(text.encode(), "a.md", 64, markdown=True):
        if record["kind"] == "passage":
            assert count_tokens(f"{record['title']}\n{record['text']}") + SPECIAL_TOKENS <= 64


@pytest.mark.parametrize(
    ("metadata", "title"),
    [
        ("Annual  report\n2024", "Annual report 2024"),
        ("", "my file"),
        ("Microsoft Word - draft3.doc", "my file"),
        ("untitled", "my file"),
        ("Untitled-1", "my file"),
        ("thesis.dvi", "my file"),
    ],
)
def test_a_pdfs_title_is_its_own_unless_a_program_made_it_up(metadata: str, title: str) -> None:
    assert pdf_title(metadata, "folder/my file.pdf") == title


def test_titles() -> None:
    assert file_title("a/红色.v2.md") == "红色.v2"
    assert section_title("Guide", ["Guide", "A"]) == "Guide › A"
    assert section_title("guide", []) == "guide"
    assert Titled.of("short", 77).passage_tokens == 77 - SPECIAL_TOKENS - 2
