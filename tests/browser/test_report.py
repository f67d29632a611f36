"""The report, as a file that somebody opens: no server, no network."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Stack
from tests.browser.test_console import submit, wait_for_state


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_a_report_is_searched_and_shows_photos_large(
    chromium: Browser, signed_in: Path, stack: Stack, tmp_path: Path, scheme: str, width: int
) -> None:
    context = chromium.new_context(storage_state=signed_in, base_url=stack.url)
    page = context.new_page()
    photos = stack.photos(3)
    number = submit(page, photos)
    wait_for_state(page)
    context.close()
    stack.cleanplate("export", str(number), "--to", str(tmp_path))

    dark = "dark" if scheme == "dark" else "light"
    context = chromium.new_context(color_scheme=dark, viewport={"width": width, "height": 844}, offline=True)
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.goto((tmp_path / "report.html").as_uri())
    expect(page.locator("#shown")).to_have_text("3 of 3 shown")
    page.get_by_label("Search photos").fill(photos[1].stem)
    expect(page.locator("#shown")).to_have_text("1 of 3 shown")
    page.locator("article:not([hidden]) a[data-large]").last.click()
    pictures = page.locator("#large img")
    expect(pictures).to_have_count(2)
    for picture in pictures.all():
        assert picture.evaluate("e => e.decode().then(() => e.naturalWidth)") > 500
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#large")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.emulate_media(media="print")
    expect(page.locator("#filter")).to_be_hidden()
    assert told == []
    context.close()
