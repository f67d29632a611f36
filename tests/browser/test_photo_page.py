"""A photo's page in a real browser: by keys, pixel for pixel, side by side."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Stack
from tests.browser.test_console import submit, wait_for_state

WIDTHS = (
    "() => { const each = document.querySelector('.after'); "
    "return [each.naturalWidth, Math.round(each.getBoundingClientRect().width * devicePixelRatio)]; }"
)


@pytest.fixture(scope="module")
def batch(chromium: Browser, signed_in: object, stack: Stack) -> int:
    """Return a batch of three clean photos."""
    context = chromium.new_context(storage_state=str(signed_in), base_url=stack.url)
    page = context.new_page()
    stack.sandbox.configure(faults={}, latency=0.1)
    made = submit(page, stack.photos(3))
    wait_for_state(page)
    context.close()
    return made


def test_a_photo_is_gone_through_looked_at_and_decided_about_by_keys(page: Page, batch: int) -> None:
    page.goto(f"/batches/{batch}")
    page.locator(".grid a").first.click()
    expect(page.locator(".beside")).to_contain_text("1 of 3 in this batch")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".beside")).to_contain_text("2 of 3 in this batch")
    page.keyboard.press("s")
    expect(page.locator(".twin")).to_be_visible()
    page.keyboard.press("1")
    expect(page.locator("[data-zoom-level]")).to_have_text("100%")
    page.wait_for_function(f"() => {{ const [own, seen] = ({WIDTHS})(); return own === seen; }}")
    reason = page.locator("[name=reason]")
    page.keyboard.press("r")
    expect(reason).to_be_focused()
    page.keyboard.press("Escape")
    expect(reason).not_to_be_focused()
    page.keyboard.press("r")
    page.keyboard.type("smeared")
    page.keyboard.press("Enter")
    expect(page.locator("#state")).to_contain_text("was rejected")
    page.keyboard.press("u")
    expect(page.locator(".said")).to_contain_text("Undone")
    page.keyboard.press("f")
    expect(page.locator("#state")).to_contain_text("Flagged by")
    page.keyboard.press("/")
    page.keyboard.type(f"batch {batch}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/batches/{batch}")
