"""Jobs of URLs: pictures and files from real servers, read on from any place, with a reason for each failure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from services.common.errors import ForbiddenError, NotFoundError, UrlForbiddenError
from services.common.jobs.records import ManifestLine
from services.common.media.images import ImageLimits
from services.common.media.store import MediaStore
from services.common.objects import open_objects
from tests.fixtures.archives import picture, tarred, zipped
from tests.fixtures.pdf_writer import PdfPage, write_pdf
from tests.fixtures.web import Page, WebServer, endless, policy, raw
from workers.fetching.fetcher import Fetcher
from workers.sources.auto import AutoSource
from workers.sources.registry import SOURCES
from workers.sources.source import Listed, Source, SourceTools
from workers.sources.urls import UrlsSource

TENANT = "shop"


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer({f"/{number}.png": Page(picture(number)) for number in range(40)}) as server:
        yield server


@pytest.fixture
def tools(web: WebServer, tmp_path: Path) -> Iterator[SourceTools]:
    media = MediaStore(open_objects(str(tmp_path / "data")))
    with Fetcher(policy(web.port, at_once=4, limit_bytes=1_000_000)) as fetcher:
        yield SourceTools(media, TENANT, [tmp_path], ImageLimits(max_bytes=100_000), fetcher=fetcher)


def asking(tools: SourceTools, *urls: str) -> UrlsSource:
    """A source with the list of a request."""
    return UrlsSource("", replace(tools, asked=lambda: "\n".join(urls).encode()))


def in_steps(source: Source, size: int) -> list[Listed]:
    """Everything, a few lines at a time, each time from the last cursor on."""
    found: list[Listed] = []
    cursor = ""
    while part := list(islice(source.lines(cursor), size)):
        found += part
        cursor = part[-1].cursor
    return found


def told(found: list[Listed]) -> list[tuple[str, str, str]]:
    """Name, picture and error of each line."""
    return [(each.line.name, each.line.sha256, each.error.code if each.error else "") for each in found]


def test_pictures_are_kept_and_listed_in_the_order_of_the_list(web: WebServer, tools: SourceTools) -> None:
    urls = [web.url(f"/{number}.png?v=1#x") for number in range(40)]
    found = list(asking(tools, *urls).lines(""))
    assert [each.line.name for each in found] == urls
    for number, each in enumerate(found):
        assert each.error is None
        assert each.line.source_uri == web.url(f"/{number}.png?v=1")
        assert each.line.sha256 == hashlib.sha256(picture(number)).hexdigest()
        assert tools.media.exists(TENANT, each.line.sha256)
    assert len(web.asked) == 40


def test_one_url_is_a_job_and_so_is_a_file_of_them(web: WebServer, tools: SourceTools, tmp_path: Path) -> None:
    (one,) = UrlsSource(web.url("/1.png"), tools).lines("")
    (same,) = AutoSource(web.url("/1.png"), tools, SOURCES).lines("")
    assert one.line == same.line
    path = tmp_path / "list.txt"
    path.write_text(f"# ours\n{web.url('/1.png')}\n\n{web.url('/2.png')}\n")
    assert [each.line.name for each in UrlsSource(str(path), tools).lines("")] == [
        web.url("/1.png"),
        web.url("/2.png"),
    ]
    with pytest.raises(NotFoundError):
        list(UrlsSource(str(tmp_path / "no.txt"), tools).lines(""))
    with pytest.raises(ForbiddenError):
        list(UrlsSource("/etc/passwd", tools).lines(""))


def test_what_cannot_be_had_is_told_and_the_others_go_in(web: WebServer, tools: SourceTools) -> None:
    web.pages |= {
        "/page": Page(b"<!doctype html><title>A shop</title>", headers={"Content-Type": "text/html"}),
        "/typed": Page(b"Not found, dear visitor.", headers={"Content-Type": "text/html; charset=utf-8"}),
        "/called.jpg": Page(b"<html>no such picture</html>"),
        "/empty.png": Page(b""),
        "/cut.png": Page(picture(1)[:30]),
        "/big.png": Page(picture(1) + bytes(200_000)),
        "/photo.heic": Page(b"\0\0\0\x18ftypheic" + bytes(2000)),
        "/data.bin": Page(b"\x01\x00\xff" * 5000),
        "/table.csv": Page(b"path,title\na.jpg,A\n"),
        "/letter.docx": Page(zipped({"word/document.xml": b"<x/>"})),
        "/huge.pdf": endless(b"%PDF-1.7" + bytes(10_000)),
        "/odd": raw(b"SSH-2.0-x\r\n"),
        "/moved": Page(status=301, headers={"Location": "http://127.0.0.1/1.png"}),
    }
    expected = {
        web.url("/404.png"): "url_unusable",
        web.url("/page"): "url_unusable",
        web.url("/typed"): "url_unusable",
        web.url("/called.jpg"): "url_unusable",
        web.url("/empty.png"): "image_empty",
        web.url("/cut.png"): "image_truncated",
        web.url("/big.png"): "url_too_large",
        web.url("/photo.heic"): "image_format",
        web.url("/data.bin"): "unsupported_media_type",
        web.url("/table.csv"): "unsupported_media_type",
        web.url("/letter.docx"): "unsupported_media_type",
        web.url("/huge.pdf"): "url_too_large",
        web.url("/odd"): "url_unreachable",
        web.url("/moved"): "url_forbidden",
        "http://127.0.0.1/a.png": "url_forbidden",
        "http://10.0.0.1/a.png": "url_forbidden",
        "file:///etc/passwd": "url_forbidden",
        "not a url": "url_unusable",
    }
    urls = [url for pair in zip(expected, [web.url("/1.png")] * len(expected), strict=True) for url in pair]
    found = list(asking(tools, *urls).lines(""))
    assert {each.line.name: each.error.code for each in found if each.error} == expected
    assert [each.line.name for each in found] == urls
    assert sum(1 for each in found if each.line.sha256) == len(expected)
    again = {each.line.name for each in found if each.line.url}
    assert again == set(expected) - {"file:///etc/passwd", "not a url"}, "these may be tried again"


def test_files_are_opened_and_each_line_knows_where_it_was(web: WebServer, tools: SourceTools) -> None:
    web.pages |= {
        "/report.pdf": Page(write_pdf([PdfPage(["A cat sleeps."]), PdfPage(["A dog runs."])], title="Animals")),
        "/download": Page(status=302, headers={"Location": "/notes/readme.md"}),
        "/notes/readme.md": Page(b"# Heading\n\nSome words.\n"),
        "/all.zip": Page(zipped({"a.png": picture(50), "b/c.png": picture(51), "d.txt": b"words"})),
        "/all.tar.gz": Page(tarred({"e.png": picture(52)}, "gz")),
    }
    urls = [web.url(path) for path in ("/report.pdf", "/1.png", "/download", "/all.zip", "/all.tar.gz?x=1")]
    source = asking(tools, *urls)
    found = list(source.lines(""))
    assert not [each for each in found if each.error]
    names = [each.line.name for each in found]
    assert names[:2] == [f"{urls[0]}, page 1", f"{urls[0]}, page 2"]
    assert names[2] == urls[1]
    assert f"{urls[3]}: b/c.png" in names
    by_name = {each.line.name: each.line for each in found}
    first = by_name[f"{urls[0]}, page 1"]
    assert (first.title, first.source_uri, first.position and first.position.page) == (
        "Animals",
        f"{urls[0]}#page=1",
        1,
    )
    assert first.document_id == by_name[f"{urls[0]}, page 2"].document_id
    assert by_name[f"{urls[3]}: a.png"].source_uri == f"{urls[3]}#a.png"
    assert [each.line.text for each in found if each.line.name.startswith(urls[2])] == ["Some words."]
    for size in (1, 2, 3):
        assert told(in_steps(source, size)) == told(found)


def test_a_file_that_changes_while_it_is_read_is_told(web: WebServer, tools: SourceTools) -> None:
    web.pages["/all.zip"] = Page(zipped({"a.png": picture(1), "b.png": picture(2)}))
    source = asking(tools, web.url("/all.zip"), web.url("/3.png"))
    first = next(source.lines(""))
    web.pages["/all.zip"] = Page(zipped({"a.png": picture(1), "c.png": picture(3)}))
    rest = list(source.lines(first.cursor))
    assert [each.error.code if each.error else "" for each in rest] == ["conflict", ""]


def test_a_video_is_read_on_although_it_is_fetched_again(
    web: WebServer, tools: SourceTools, tmp_path: Path
) -> None:
    pytest.importorskip("av")
    from tests.fixtures.videos import Shot, scene, write_video

    video = write_video(tmp_path / "clip.mp4", [Shot(2.0, scene(seed)) for seed in range(3)])
    web.pages["/clip.mp4"] = Page(video.read_bytes())
    source = asking(tools, web.url("/clip.mp4"))
    found = list(source.lines(""))
    assert len(found) == 3
    assert all(each.line.name.startswith(f"{web.url('/clip.mp4')}#00:00:0") for each in found)
    assert told(in_steps(source, 1)) == told(found)


def test_nothing_is_fetched_unless_it_is_switched_on(web: WebServer, tools: SourceTools) -> None:
    off = replace(tools, fetcher=None)
    with pytest.raises(UrlForbiddenError, match="IMAGERAG_WORKERS_URL_FETCH"):
        list(UrlsSource(web.url("/1.png"), off).lines(""))
    assert web.connections == 0


def test_a_manifest_may_name_pictures_by_their_urls(web: WebServer, tools: SourceTools, tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text(
        f'{{"url": "{web.url("/1.png")}", "title": "One", "key": "k1"}}\n'
        f'{{"url": "{web.url("/none.png")}", "title": "None"}}\n'
        '{"url": "http://169.254.169.254/latest", "title": "Metadata"}\n'
        '{"url": "file:///etc/passwd", "title": "Passwords"}\n'
    )
    found = list(SOURCES["manifest"](str(path), tools).lines(""))
    one = found[0].line
    assert (one.title, one.key, one.source_uri) == ("One", "k1", web.url("/1.png"))
    assert one.sha256 == hashlib.sha256(picture(1)).hexdigest()
    codes = [each.error.code if each.error else "" for each in found]
    assert codes == ["", "url_unusable", "url_forbidden", "url_forbidden"]
    assert (found[1].line.url, found[1].line.title) == (web.url("/none.png"), "None"), "it may be tried again"
    assert (found[3].line.url, found[3].line.title) == ("", "")


def test_a_table_may_name_them_as_well(web: WebServer, tools: SourceTools, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    rows = [f"{web.url(f'/{number}.png')},No {number}\n" for number in range(30)]
    path.write_text("url,title\n" + "".join(rows) + f"{web.url('/none.png')},None\n")
    found = list(SOURCES["manifest"](str(path), tools).lines(""))
    assert [each.line.title for each in found] == [*(f"No {number}" for number in range(30)), "None"]
    assert [each.error.code for each in found if each.error] == ["url_unusable"]
    assert found[-1].line.url == web.url("/none.png")


def test_a_line_says_no_more_than_it_knows(web: WebServer, tools: SourceTools) -> None:
    (found,) = asking(tools, web.url("/1.png")).lines("")
    assert found.line == ManifestLine(
        web.url("/1.png"), sha256=hashlib.sha256(picture(1)).hexdigest(), source_uri=web.url("/1.png")
    )


def test_large_pictures_are_kept_as_small_ones_are(web: WebServer, tools: SourceTools) -> None:
    large = {f"/large{number}.png": picture(number) + bytes(3_000_000 + number) for number in range(6)}
    web.pages |= {path: Page(data) for path, data in large.items()}
    own = replace(tools, limits=ImageLimits(max_bytes=4_000_000))
    found = list(asking(own, *(web.url(path) for path in large)).lines(""))
    assert [each.line.sha256 for each in found] == [hashlib.sha256(data).hexdigest() for data in large.values()]
