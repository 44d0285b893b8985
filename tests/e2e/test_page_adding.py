"""Adding files on the web page, in a real browser: progress, what went wrong, and what one can do about it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, FilePayload, Page, expect

from services.common.jobs.records import Job, LineOutcome, ManifestLine, Outcome
from services.common.objects import open_objects
from services.common.uploads.store import UploadStore
from tests.fixtures.gateway import RunningGateway, drawn_picture, running_gateway
from tests.fixtures.pages import CHROMIUM, OpenPage, opened_pages, png, running_browser

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.asyncio(loop_scope="module"),
]
PDF = FilePayload(name="report.pdf", mimeType="application/pdf", buffer=b"%PDF-1.7\n" + b"0" * 4000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path / "data") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(browser: Browser, gateway: RunningGateway) -> AsyncIterator[OpenPage]:
    async with opened_pages(browser, gateway.url) as open_one:
        yield open_one


async def accepted(gateway: RunningGateway, count: int = 1) -> list[Job]:
    """The open jobs, once there are so many; the newest last."""
    while len(gateway.ledger.open_jobs()) < count:
        await asyncio.sleep(0.02)
    return sorted((gateway.ledger.job(*each) for each in gateway.ledger.open_jobs()), key=lambda job: job.revision)


def pages_of(report: str, count: int) -> list[ManifestLine]:
    return [ManifestLine(f"{report}, page {number}", text=f"Page {number}") for number in range(1, count + 1)]


async def add(page: Page, *files: FilePayload) -> None:
    await page.click("#open-add")
    await page.set_input_files("#add-files", list(files))


async def test_added_pictures_are_followed_to_their_end(gateway: RunningGateway, open_page: OpenPage) -> None:
    page = await open_page()
    refused = FilePayload(name="drawing.svg", mimeType="image/svg+xml", buffer=b"<svg/>")
    await add(page, *[png(f"{number}.png", number) for number in range(3)], refused)
    await expect(page.locator(".job .state")).to_have_text("Waiting for a worker…")
    (job,) = await accepted(gateway)
    gateway.work(job, fail=("1.png",))
    gateway.ledger.close(job)
    await expect(page.locator(".job .state")).to_have_text("2 added, 2 not")
    reasons = page.locator(".failures li")
    await expect(reasons).to_have_count(2)
    await expect(reasons.nth(0)).to_contain_text("SVG")
    await expect(reasons.nth(1)).to_contain_text("1.png")
    await expect(page.get_by_role("status").filter(has_text="4 files: 2 added, 2 not")).to_have_count(1)


async def test_a_document_is_read_then_worked_on_with_its_pace(
    gateway: RunningGateway, open_page: OpenPage
) -> None:
    page = await open_page()
    await add(page, PDF)
    state, pace = page.locator(".job .state"), page.locator(".job .pace")
    await expect(page.locator(".job strong")).to_have_text("report.pdf")
    await expect(state).to_have_text("Being read…")
    (job,) = await accepted(gateway)
    (entry,) = UploadStore(open_objects(gateway.settings.data_url)).entries("default", job.id)
    assert (entry.line.name, bool(entry.upload)) == ("report.pdf", True)
    known = gateway.ledger.listing.extend(job, pages_of("report.pdf", 40), [], complete=True)
    stored = [LineOutcome(line, Outcome.STORED, item_id="x") for line in range(40)]
    gateway.ledger.record(known, stored[:10])
    await expect(state).to_have_text("10 of 40")
    gateway.ledger.record(known, stored[10:20])
    await expect(state).to_have_text("20 of 40")
    await expect(pace).to_contain_text("per second")
    await expect(pace).to_contain_text("left")
    assert await page.locator(".job progress").get_attribute("value") == "0.5"
    gateway.ledger.record(known, stored[20:])
    await expect(state).to_have_text("40 added")
    await expect(page.locator(".job-actions button")).to_have_count(0)


async def test_a_job_is_paused_resumed_and_cancelled(gateway: RunningGateway, open_page: OpenPage) -> None:
    page = await open_page()
    await add(page, png("a.png", 1), png("b.png", 2))
    (job,) = await accepted(gateway)
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator(".job .state")).to_have_text("Paused at 0 of 2")
    assert gateway.ledger.control.is_paused(job)
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert not gateway.ledger.control.is_paused(job)
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.locator(".job .state")).to_have_text("Cancelled, 0 added")
    assert gateway.ledger.is_cancelled(job)


async def test_what_failed_at_work_can_be_tried_again(gateway: RunningGateway, open_page: OpenPage) -> None:
    page = await open_page()
    await add(page, png("a.png", 1), png("b.png", 2))
    (job,) = await accepted(gateway)
    gateway.work(job, fail=("b.png",))
    await expect(page.locator(".job .state")).to_have_text("1 added, 1 not")
    await page.get_by_role("button", name="Try failed ones again").click()
    await expect(page.locator(".job .state")).to_have_text("1 of 2")
    await expect(page.locator(".failures li")).to_have_count(0)
    gateway.work(job)
    await expect(page.locator(".job .state")).to_have_text("2 added")


async def test_what_an_enrichment_failed_on_can_be_completed(gateway: RunningGateway, open_page: OpenPage) -> None:
    page = await open_page()
    await add(page, png("a.png", 1), png("b.png", 2))
    (job,) = await accepted(gateway)
    (line, other) = gateway.ledger.lines(job, 0, 2)
    done = LineOutcome(0, Outcome.STORED, line.name, "x", incomplete=("ocr",), sha256=line.sha256)
    gateway.ledger.record(job, [done, LineOutcome(1, Outcome.STORED, other.name, "y")])
    await expect(page.locator(".job .state")).to_have_text("2 added · 1 incomplete")
    await page.get_by_role("button", name="Complete the incomplete").click()
    await expect(page.locator(".job .state")).to_have_text("1 of 2")
    gateway.ledger.record(job, [LineOutcome(0, Outcome.STORED, line.name, "x")])
    await expect(page.locator(".job .state")).to_have_text("2 added")


async def test_a_page_that_is_opened_anew_shows_what_is_under_way(
    gateway: RunningGateway, open_page: OpenPage
) -> None:
    page = await open_page()
    await add(page, PDF)
    (job,) = await accepted(gateway)
    await page.reload()
    await page.click("#open-add")
    await expect(page.locator(".job strong")).to_have_text("report.pdf")
    gateway.ledger.listing.extend(job, pages_of("report.pdf", 1), [], complete=True)
    gateway.ledger.record(gateway.ledger.job("default", job.id), [LineOutcome(0, Outcome.STORED, item_id="x")])
    await expect(page.locator(".job .state")).to_have_text("1 added")


async def test_options_go_with_the_files(gateway: RunningGateway, open_page: OpenPage) -> None:
    page = await open_page()
    await page.click("#open-add")
    await page.locator(".add-options summary").click()
    await page.check("#option-ocr")
    await page.select_option("#option-duplicates", "skip")
    await page.set_input_files("#add-files", [png("a.png", 1)])
    (job,) = await accepted(gateway)
    assert (job.options.ocr, job.options.captions, job.options.duplicates) == (True, False, "skip")


async def test_a_folder_keeps_the_names_of_its_folders(
    gateway: RunningGateway, open_page: OpenPage, tmp_path: Path
) -> None:
    folder = tmp_path / "trip" / "day 1"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(drawn_picture(1))
    (folder / "notes.md").write_text("# Day 1\n\nWe walked.")
    page = await open_page()
    await page.click("#open-add")
    await page.set_input_files("#add-folder", str(tmp_path / "trip"))
    (job,) = await accepted(gateway)
    entries = UploadStore(open_objects(gateway.settings.data_url)).entries("default", job.id)
    assert {entry.line.name for entry in entries} == {"trip/day 1/a.png", "trip/day 1/notes.md"}


async def test_a_document_that_is_dropped_is_added_and_not_searched_with(
    gateway: RunningGateway, open_page: OpenPage
) -> None:
    page = await open_page()
    transfer = await page.evaluate_handle(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File(["%PDF-1.7 " + "0".repeat(2000)], "dropped.pdf", { type: "application/pdf" }));
          return data;
        }"""
    )
    await page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    await expect(page.locator("#add-dialog")).to_be_visible()
    await expect(page.locator(".job strong")).to_have_text("dropped.pdf")
    await accepted(gateway)


async def test_a_large_file_goes_by_itself(gateway: RunningGateway, open_page: OpenPage) -> None:
    page = await open_page()
    await page.evaluate(
        """async () => {
          const { sendFile, createJob } = await import("/page/js/api_jobs.js");
          const file = new File(["%PDF-1.7 " + "0".repeat(3_000_000)], "large.pdf");
          const told = [];
          const { signal } = new AbortController();
          const upload = await sendFile(file, (sent, total) => told.push(sent / total), signal);
          if (told.at(-1) !== 1) throw new Error("not told of its end");
          await createJob([{ upload, name: "large.pdf" }], { ocr: true });
        }"""
    )
    (job,) = await accepted(gateway)
    assert (job.source.path, job.options.ocr) == ("large.pdf", True)


async def test_an_upload_can_be_given_up(gateway: RunningGateway, open_page: OpenPage) -> None:
    page = await open_page()
    await page.route("**/v1/jobs", lambda _route: None)  # it hangs on its way
    await add(page, PDF)
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.locator(".job .state")).to_have_text("Cancelled")
    await page.unroute("**/v1/jobs")
    assert gateway.ledger.open_jobs() == []


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
async def test_on_a_phone_the_dialog_scrolls_in_one_direction(
    gateway: RunningGateway, open_page: OpenPage, language: str
) -> None:
    page = await open_page(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True, locale=language)
    long = FilePayload(name=f"{'a very long name ' * 8}.pdf", mimeType="application/pdf", buffer=PDF["buffer"])
    await add(page, long, FilePayload(name="x" * 90 + ".bin", mimeType="", buffer=b"\x7fELF" + b"\0" * 99))
    await accepted(gateway)
    await expect(page.locator(".failures li")).to_have_count(1)
    await page.locator(".add-options summary").click()
    width = "document.querySelector('.add-body').scrollWidth - document.querySelector('.add-body').clientWidth"
    assert await page.evaluate(width) <= 0
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
