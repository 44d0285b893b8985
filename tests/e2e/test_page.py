"""The web page in a real browser, over a real gateway."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.fixtures.api_keys import key_line, write_keys
from tests.fixtures.gateway import RunningGateway, drawn_picture, running_gateway, stored_picture
from tests.fixtures.pages import CHROMIUM, OpenPage, opened_pages, png, running_browser

HOSTILE = '<img src=x onerror="window.canary=1"><script>window.canary=1</script>'

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path / "data") as running:
        yield running


@pytest.fixture
def filled(gateway: RunningGateway) -> RunningGateway:
    for seed, title in enumerate(("A cat on a mat", "A black cat", "A sleeping cat", "A rocket"), start=1):
        stored_picture(gateway, title, seed, tags=("pets",) if "cat" in title else ("space",))
    return gateway


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(browser: Browser, gateway: RunningGateway) -> AsyncIterator[OpenPage]:
    async with opened_pages(browser, gateway.url) as open_one:
        yield open_one


async def test_a_search_shows_hits_and_why(filled: RunningGateway, open_page: OpenPage) -> None:
    page = await open_page()
    await expect(page.locator("#status")).to_contain_text("4 pictures")
    await page.fill("#text", "a cat")
    await page.press("#text", "Enter")
    cards = page.locator(".card")
    await expect(cards).to_have_count(3)
    await expect(page.locator("#status")).to_contain_text("3 results")
    await expect(cards.first.locator("mark").first).to_have_text("cat")
    await expect(cards.first.locator(".bar-row")).to_have_count(3)
    await cards.first.locator("summary").click()
    reasons = cards.first.locator(".reasons")
    await expect(reasons).to_contain_text("your words → its pixels")
    await expect(reasons).to_contain_text("Noise floor")
    assert await cards.first.locator("img.loaded").count() == 1
    assert page.url.endswith("?q=a+cat")


async def test_words_read_in_a_picture_are_shown_with_where_they_stand(
    gateway: RunningGateway, open_page: OpenPage
) -> None:
    before, after = "It is not allowed to run. " * 20, " Hold on to the rail." * 20
    stored_picture(gateway, "Platform", 1, ocr_text=f"{before}Mind the gap!{after}")
    stored_picture(gateway, "A gap in a wall", 2)
    page = await open_page("/?q=gap")
    await expect(page.locator(".card")).to_have_count(2)
    read = page.locator(".card", has_text="Platform").locator(".card-text.read")
    await expect(read).to_contain_text("In the picture: …")
    await expect(read.locator("mark")).to_have_text("gap")
    own = page.locator(".card", has_text="A gap in a wall")
    await expect(own.locator(".card-text.read")).to_have_count(0)
    platform = page.locator(".card", has_text="Platform")
    await platform.locator("summary").click()
    await expect(platform.locator(".reasons .words")).to_contain_text("(text in the picture)")


async def test_an_address_with_a_query_is_answered_and_back_returns(
    filled: RunningGateway, open_page: OpenPage
) -> None:
    page = await open_page("/?q=rocket")
    await expect(page.locator(".card")).to_have_count(1)
    await page.fill("#text", "cat")
    await page.click("#go")
    await expect(page.locator(".card")).to_have_count(3)
    await page.go_back()
    await expect(page.locator(".card")).to_have_count(1)
    await expect(page.locator("#text")).to_have_value("rocket")


async def test_nothing_relevant_is_said_plainly(filled: RunningGateway, open_page: OpenPage) -> None:
    page = await open_page("/?q=submarine")
    await expect(page.locator(".panel h2")).to_have_text("Nothing here fits “submarine”")
    await expect(page.locator(".card")).to_have_count(0)
    await page.click("#show-nearest")
    await expect(page.locator(".card.below")).to_have_count(4)
    await expect(page.locator("#status")).to_contain_text("None is above the noise")


async def test_an_empty_collection_says_how_to_begin(open_page: OpenPage) -> None:
    page = await open_page()
    await expect(page.locator(".panel h2")).to_have_text("Nothing is stored yet")
    await expect(page.locator(".panel code")).to_contain_text("imagerag ingest")
    await page.click("#empty-add")
    await expect(page.locator("#add-dialog")).to_be_visible()


async def test_an_answer_streams_and_its_citations_lead_to_hits(
    filled: RunningGateway, open_page: OpenPage
) -> None:
    filled.behaviour.pause_s = 0.2
    page = await open_page()
    await page.get_by_role("radio", name="Ask").click()
    await page.fill("#text", "Is there a cat?")
    await page.click("#go")
    await expect(page.locator("#answer.writing .answer-text")).to_contain_text("fits the question")
    await expect(page.locator("#answer .cited button")).to_have_count(3)
    await expect(page.locator("#answer")).not_to_have_class(re.compile("writing"))
    await page.locator(".cite", has_text="2").click()
    await expect(page.locator("#hit-2")).to_have_class(re.compile("cited-now"))
    await expect(page.locator("#hit-2 .open")).to_be_focused()


async def test_a_picture_searches_and_can_be_taken_out(filled: RunningGateway, open_page: OpenPage) -> None:
    page = await open_page()
    await page.set_input_files("#picture-file", png("mine.png", 9))
    await expect(page.locator(".chip")).to_contain_text("mine.png")
    await expect(page.locator(".card")).to_have_count(4)
    assert filled.behaviour.searches[-1].query.image == drawn_picture(9)
    await page.get_by_role("button", name="Remove the picture").click()
    await expect(page.locator(".chip")).to_have_count(0)


async def test_a_pasted_picture_searches(filled: RunningGateway, open_page: OpenPage) -> None:
    page = await open_page()
    await page.evaluate(
        """bytes => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "shot.png", { type: "image/png" }));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
        }""",
        list(drawn_picture(5)),
    )
    await expect(page.locator(".chip")).to_contain_text("shot.png")
    await expect(page.locator(".card")).to_have_count(4)


async def test_an_item_opens_large_and_finds_its_like(filled: RunningGateway, open_page: OpenPage) -> None:
    page = await open_page("/?q=rocket")
    await page.locator(".open").first.click()
    dialog = page.locator("#item-dialog")
    await expect(dialog.locator("h2")).to_have_text("A rocket")
    await expect(dialog.locator("img.full.loaded")).to_have_count(1)
    await expect(dialog).to_contain_text("320 × 240")
    await page.click("#find-similar")
    await expect(dialog).to_be_hidden()
    await expect(page.locator(".chip")).to_contain_text("A rocket")
    await expect(page.locator(".card")).to_have_count(4)


async def test_a_picture_without_words_shows_its_file_name(gateway: RunningGateway, open_page: OpenPage) -> None:
    stored_picture(gateway, "", 1, source_uri="file:///photos/red%20cat.jpg")
    page = await open_page("/?q=anything")
    await page.click("#show-nearest")
    await expect(page.locator(".card-title")).to_have_text("red cat.jpg")


async def test_the_keyboard_is_enough(filled: RunningGateway, open_page: OpenPage) -> None:
    page = await open_page()
    await page.keyboard.press("/")
    await page.keyboard.type("cat")
    await page.keyboard.press("Enter")
    await expect(page.locator(".card")).to_have_count(3)
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("#hit-2 .open")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#item-dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#item-dialog")).to_be_hidden()
    await page.keyboard.press("Escape")
    await expect(page.locator("#text")).to_be_focused()


async def test_chinese(filled: RunningGateway, open_page: OpenPage) -> None:
    page = await open_page(locale="zh-CN")
    await expect(page.locator("h1")).to_have_text("按画面内容，找到图片")
    assert await page.get_attribute("html", "lang") == "zh-CN"
    await page.click("#language")
    await expect(page.locator("h1")).to_have_text("Find it by what it shows")
    await page.reload()
    await expect(page.locator("h1")).to_have_text("Find it by what it shows")


@pytest.mark.parametrize("path", ["/", "/?q=cat", "/?q=submarine", "/?q=cat&mode=ask", "/docs"])
async def test_a_phone_scrolls_in_one_direction(filled: RunningGateway, open_page: OpenPage, path: str) -> None:
    page = await open_page(path, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    await page.wait_for_load_state("networkidle")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_dark_follows_the_system_until_chosen(filled: RunningGateway, open_page: OpenPage) -> None:
    page = await open_page(color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = await page.evaluate(background)
    await page.click("#theme")
    assert await page.evaluate(background) != dark


async def test_text_of_items_and_answers_is_never_markup(gateway: RunningGateway, open_page: OpenPage) -> None:
    stored_picture(gateway, f"cat {HOSTILE}", 1, text=HOSTILE, tags=(HOSTILE,), source_uri="javascript:alert(1)")
    page = await open_page("/?q=cat&mode=ask")
    await expect(page.locator("#answer .cited button")).to_have_count(1)
    await expect(page.locator(".card-title")).to_contain_text("<script>")
    await page.locator(".open").first.click()
    await expect(page.locator("#item-dialog dl").first).to_contain_text("javascript:alert(1)")
    assert await page.locator('a[href^="javascript"]').count() == 0
    assert await page.evaluate("window.canary") is None


async def test_every_control_has_a_name(filled: RunningGateway, open_page: OpenPage) -> None:
    page = await open_page("/?q=cat")
    await page.locator(".open").first.click()
    nameless = await page.evaluate(
        """[...document.querySelectorAll("button, input:not([hidden]), a, img")].filter(
             element => !(element.textContent.trim() || element.ariaLabel || element.hasAttribute("alt"))
           ).map(element => element.outerHTML)"""
    )
    assert nameless == []


async def test_trouble_is_told_and_can_be_retried(browser: Browser, filled: RunningGateway) -> None:
    filled.behaviour.hang_s = 30  # beyond the gateway's deadline
    page = await browser.new_page(locale="en-US")
    await page.goto(f"{filled.url}/?q=cat")
    await expect(page.locator(".panel.error")).to_contain_text("took too long", timeout=15_000)
    filled.behaviour.hang_s = 0
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator(".card")).to_have_count(3)


async def test_a_person_is_told_what_a_key_may_not_do(browser: Browser, tmp_path: Path) -> None:
    keys = write_keys(
        tmp_path / "keys",
        key_line("only writes", scopes=["write"], name="writer"),
        key_line("reads slowly", scopes=["read"], name="slow", requests_per_s=0.01),
    )
    async with running_gateway(tmp_path / "keyed", keys_path=keys) as gateway:
        stored_picture(gateway, "A cat", 1, tenant="shop")
        page = await browser.new_page(locale="en-US")

        async def enter(key: str) -> None:
            await page.fill("#key", key)
            await page.keyboard.press("Enter")

        await page.goto(f"{gateway.url}/?q=cat")
        await enter("a mistake")
        await expect(page.locator("#key-dialog .refusal")).to_have_text("This API key is not known here.")
        await page.screenshot(path=tmp_path / "refused.png")
        await enter("only writes")
        await expect(page.locator(".panel.error")).to_contain_text("lacks the scope “read”")
        await page.screenshot(path=tmp_path / "scope.png")
        await page.click("#other-key")
        await enter("reads slowly")
        await expect(page.locator(".card")).to_have_count(1)
        for _ in range(5):
            await page.click("#go")
            await page.wait_for_timeout(150)
        await expect(page.locator(".panel.error")).to_contain_text("more than its share")
        await expect(page.locator(".panel.error")).to_contain_text(re.compile(r"Wait \d+ seconds"))
        await page.screenshot(path=tmp_path / "share.png")


async def test_a_key_is_asked_for_once(browser: Browser, tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys", key_line("open sesame"))
    async with running_gateway(tmp_path / "keyed", keys_path=keys) as gateway:
        stored_picture(gateway, "A cat", 1, tenant="shop")
        page = await browser.new_page(locale="en-US")
        await page.goto(gateway.url)
        await page.fill("#key", "open sesame")
        await page.keyboard.press("Enter")
        await expect(page.locator("#key-dialog")).to_be_hidden()
        await page.fill("#text", "cat")
        await page.click("#go")
        await expect(page.locator("img.thumb.loaded")).to_have_count(1)
        await asyncio.sleep(0.2)
        await expect(page.locator("#key-dialog")).to_be_hidden()
