"""Photos looked at by the hundred, in a real browser: with keys, with a finger, and by everybody."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Stack
from tests.browser.test_console import SERIOUS, submit, wait_for_state

SEEN = "() => [...document.querySelectorAll('.pairs .before')].every((each) => each.naturalWidth > 100)"


@pytest.fixture(scope="module")
def batch(chromium: Browser, signed_in: object, stack: Stack) -> int:
    """Return a batch of six held photos."""
    context = chromium.new_context(storage_state=str(signed_in), base_url=stack.url)
    page = context.new_page()
    stack.sandbox.configure(faults={}, latency=0.1)
    stack.eraser.is_lazy = True
    made = submit(page, stack.photos(6))
    wait_for_state(page)
    stack.eraser.is_lazy = False
    context.close()
    return made


def ticked(page: Page) -> int:
    return int(page.locator(".pairs input:checked").count())


def test_photos_are_chosen_with_clicks_and_keys_and_decided_about_at_once(page: Page, batch: int) -> None:
    page.goto(f"/batches/{batch}/sheet?order=name")
    pictures = page.locator(".pairs .before")
    expect(pictures).to_have_count(6)
    page.wait_for_function(
        "() => [...document.querySelectorAll('.pairs .before')].every((each) => each.naturalWidth > 100)"
    )
    page.keyboard.down("b")
    expect(page.locator(".again").first).to_be_visible()
    page.keyboard.up("b")
    expect(page.locator(".again").first).to_be_hidden()
    pictures.nth(0).click()
    pictures.nth(2).click(modifiers=["Shift"])
    assert ticked(page) == 3
    page.keyboard.press("x")
    assert ticked(page) == 2
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    expect(page.locator("[data-chosen]")).to_have_text("3 chosen")
    page.get_by_role("button", name="Large").click()
    expect(page.locator(".pairs")).to_have_class("pairs large")
    page.evaluate("window.mark = 'the same page'")
    page.get_by_role("button", name="Accept").click()
    expect(page.locator("[data-toast]")).to_contain_text("Accepted: 3 photos.")
    expect(page.locator(".pairs .state.succeeded")).to_have_count(3)
    expect(page.locator("[data-chosen]")).to_have_text("Tick photos")
    page.keyboard.press("u")
    expect(page.locator("[data-toast]")).to_contain_text("Undone: 3 photos are as before.")
    expect(page.locator(".pairs .state.held")).to_have_count(6)
    assert page.evaluate("window.mark") == "the same page"
    # The photo that was ticked last was drawn anew since; a range begins at it all the same.
    pictures.nth(5).click(modifiers=["Shift"])
    expect(page.locator("[data-chosen]")).to_have_text("3 chosen")
    page.reload()
    expect(page.locator(".pairs")).to_have_class("pairs large")
    page.get_by_role("button", name="All 6 in this filter").click()
    page.locator(".pairs .before").last.click()
    page.get_by_role("button", name="Accept").click()
    expect(page.locator(".said").first).to_contain_text("Accepted: 5 photos.")


def test_a_finger_that_stays_shows_before_and_chooses_nothing(page: Page, batch: int) -> None:
    page.goto(f"/batches/{batch}/sheet")
    label = page.locator(".pairs label").first
    label.dispatch_event("pointerdown", {"pointerType": "touch", "bubbles": True})
    expect(page.locator(".pairs")).to_have_class(re.compile("held-before"))
    label.dispatch_event("pointerup", {"pointerType": "touch", "bubbles": True})
    label.click()
    expect(page.locator(".pairs")).not_to_have_class(re.compile("held-before"))
    assert ticked(page) == 1


def test_a_batch_is_signed_off_by_a_sample(page: Page, batch: int) -> None:
    page.goto(f"/batches/{batch}/sheet")
    page.get_by_label("Check").fill("3")
    page.get_by_role("button", name="Draw a sample").click()
    expect(page.locator(".pairs li")).to_have_count(3)
    page.locator(".pairs .before").first.click()
    expect(page.locator("[data-chosen]")).to_contain_text("1 bad: at most 86.5%")
    page.get_by_role("button", name="Sign the batch off").click()
    expect(page.locator(".said")).to_have_text("Signed off.")
    expect(page.locator(".note")).to_contain_text("3 of 5 clean photos checked, 1 bad")


def serious(page: Page) -> list[tuple[str, str]]:
    """Return what axe finds."""
    found = [each for each in Axe().run(page).response["violations"] if each["impact"] in SERIOUS]
    return [(each["id"], node["html"][:160]) for each in found for node in each["nodes"]]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_everybody_can_use_a_sheet(
    chromium: Browser, signed_in: object, stack: Stack, batch: int, scheme: str, width: int
) -> None:
    context = chromium.new_context(
        storage_state=str(signed_in),
        base_url=stack.url,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 844},
    )
    page = context.new_page()
    page.goto(f"/batches/{batch}/sheet?show=all")
    page.locator(".pairs .before").first.click()
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_role("button", name="Redo…").click()
    expect(page.locator(".question")).to_contain_text("Redo 1 photo? Up to 1 call to the sandbox")
    assert serious(page) == []
    context.close()
