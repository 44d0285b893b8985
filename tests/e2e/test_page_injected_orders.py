"""P1 on the page: an obedient model's answers in a real browser. Nothing is asked of any other address."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect
from pydantic import SecretStr

from services.generator.app import compose
from services.generator.settings import GeneratorSettings
from tests.fixtures.gateway import running_gateway
from tests.fixtures.injections import HONEST, INJECTIONS, obey, store_injection
from tests.fixtures.openai_server import MODEL, OpenAIServer, Script, openai_server
from tests.fixtures.pages import CHROMIUM, SWITCHES

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
FOREIGN = """[...document.querySelectorAll("[href], [src], [srcset], [action], [srcdoc], script, iframe")]
    .flatMap(element => [element.href, element.src, element.srcset, element.action, element.srcdoc])
    .filter(address => typeof address === "string" && address)
    .filter(address => !address.startsWith(location.origin) && !/^(blob|data):image/.test(address))"""


@pytest.fixture
async def model() -> AsyncIterator[OpenAIServer]:
    async with openai_server(Script(answer=obey)) as server:
        yield server


@pytest.fixture
async def url(model: OpenAIServer, tmp_path: Path) -> AsyncIterator[str]:
    settings = GeneratorSettings(
        port=0,
        backend="openai",
        openai_base_url=model.url,
        openai_model=MODEL,
        openai_api_key=SecretStr("sk-canary"),
    )
    async with compose(settings) as server:
        async with running_gateway(tmp_path / "data", generator_url=await server.start()) as gateway:
            for injection in INJECTIONS:
                store_injection(gateway, injection)
            yield gateway.url
        await server.stop(0)


async def test_p1_the_page_shows_no_link_and_asks_no_other_address(model: OpenAIServer, url: str) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        page = await browser.new_page(locale="en-US")
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        for injection in INJECTIONS:
            await check_answer(page, f"{url}/?q={injection.code}&mode=ask")
            assert model.calls[-1].boundary not in await page.content()
        await browser.close()
    assert complaints == []
    elsewhere = [address for address in asked if not address.startswith((url, "blob:", "data:"))]
    assert elsewhere == []
    print(
        f"\nP1, page: {len(INJECTIONS)} answers, {len(asked)} requests, 0 to other addresses, 0 links or scripts"
    )


async def check_answer(page: Page, address: str) -> None:
    """Open a question's address; the answer is words and buttons."""
    await page.goto(address)
    answer = page.locator("#answer .answer-text")
    await expect(answer).to_have_attribute("aria-busy", "false", timeout=15_000)
    shown = await answer.inner_text()
    assert "evil" not in shown
    if not shown.startswith("What was found"):
        assert re.sub(r"\s*\d\s*", "", shown).startswith(re.sub(r" \[\d\]", "", HONEST)[:20])
    assert await page.evaluate(FOREIGN) == []
    assert await page.locator("#answer :is(a, img:not(.mini), script, iframe, style)").count() == 0
    assert await page.evaluate("window.canary") is None
