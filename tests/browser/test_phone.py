"""The console on a phone, in both colour schemes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import WAIT_MS, Stack
from tests.browser.test_console import submit, wait_for_state

LONG = "http://192.0.2.1/a-folder/of-photos/with-a-long-name/that-no-phone-has-room-for/front.jpg"
SMALLEST_TARGET = 40
TOO_WIDE = """() => {
  const found = [...document.querySelectorAll(".scroll")].filter((each) => each.scrollWidth > each.clientWidth + 1);
  if (document.documentElement.scrollWidth > innerWidth) found.push(document.documentElement);
  return found.map((each) => each.outerHTML.slice(0, 200));
}"""
TOO_LOW = """(least) => [...document.querySelectorAll("button, a.button, #menu a, .spans a")]
  .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < least)
  .map((each) => each.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def batch(chromium: Browser, signed_in: Path, stack: Stack) -> int:
    """A batch with a photo that is held; beside it is one whose photo failed with a long message."""
    (stack.folder / "list.txt").write_text(f"{LONG}\n")
    stack.cleanplate("submit", "list.txt", "--yes")
    stack.eraser.is_lazy = True
    context = chromium.new_context(storage_state=signed_in, base_url=stack.url)
    page = context.new_page()
    number = submit(page, stack.photos(3))
    wait_for_state(page)
    stack.eraser.is_lazy = False
    page.goto(f"/batches/{number - 1}")
    wait_for_state(page)
    context.close()
    return number


@pytest.fixture(params=["light", "dark"])
def phone(chromium: Browser, signed_in: Path, stack: Stack, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page as wide as a phone."""
    context = chromium.new_context(
        storage_state=signed_in,
        base_url=stack.url,
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
        color_scheme=request.param,
    )
    context.set_default_timeout(WAIT_MS)
    yield context.new_page()
    context.close()


def test_no_page_is_wider_than_the_screen_and_what_is_tapped_is_high_enough(phone: Page, batch: int) -> None:
    phone.goto(f"/batches/{batch}")
    job = phone.locator(".grid a").first.get_attribute("href")
    paths = ["/", "/batches", f"/batches/{batch}", f"/batches/{batch - 1}", f"/batches/{batch}/sheet", str(job)]
    paths += [f"{job}/redo", f"/review?batch={batch}", "/batches/new", "/connections", "/tokens", "/people", "/audit"]
    wide, low = {}, {}
    for path in [*paths, "/nothing-here"]:
        phone.goto(path)
        wide[path] = phone.evaluate(TOO_WIDE)
        low[path] = phone.evaluate(TOO_LOW, SMALLEST_TARGET)
    assert {path: each for path, each in wide.items() if each} == {}
    assert {path: each for path, each in low.items() if each} == {}


def test_the_menu_opens_and_leads_on(phone: Page) -> None:
    phone.goto("/")
    menu, audit = phone.get_by_role("button", name="Menu"), phone.get_by_role("link", name="Audit log")
    expect(audit).to_be_hidden()
    menu.tap()
    expect(menu).to_have_attribute("aria-expanded", "true")
    expect(phone.get_by_role("button", name="Sign out")).to_be_visible()
    assert phone.evaluate(TOO_WIDE) == []
    assert phone.evaluate(TOO_LOW, SMALLEST_TARGET) == []
    menu.press("Escape")
    expect(audit).to_be_hidden()
    menu.tap()
    audit.tap()
    expect(phone.get_by_role("heading", name="Audit log")).to_be_visible()


@pytest.mark.usefixtures("batch")
def test_a_row_is_a_card_that_names_its_cells(phone: Page, stack: Stack) -> None:
    phone.goto("/batches")
    row = phone.locator("tbody tr").first
    assert row.evaluate("e => getComputedStyle(e).display") == "block"
    label = row.get_by_role("cell").nth(3)
    assert label.evaluate("e => getComputedStyle(e, '::before').content") == '"Photos"'
    # What replaces a part of the page names its cells, too.
    phone.goto("/")
    newest = phone.locator("#newest")
    newest.evaluate("e => e.querySelectorAll('td').forEach((each) => each.removeAttribute('data-label'))")
    stack.cleanplate("submit", str(stack.photos(1)[0]), "--yes")
    expect(newest.locator("td[data-label=Batch]").first).to_be_visible()


def test_a_message_is_read_as_a_sentence(phone: Page, batch: int) -> None:
    phone.goto(f"/batches/{batch - 1}")
    told = phone.locator("#groups td.words").first
    expect(told).not_to_be_empty()
    # Asked of the page as it is then: what is alive there is put in anew now and then.
    phone.wait_for_function(
        "() => { const e = document.querySelector('#groups td.words');"
        " return e && e.clientWidth - parseFloat(getComputedStyle(e).paddingLeft) > 150; }"
    )


def test_photos_are_two_a_row(phone: Page, batch: int) -> None:
    phone.goto(f"/batches/{batch}")
    boxes = [each.bounding_box() for each in phone.locator(".grid li").all()]
    tops = [box["y"] for box in boxes if box is not None]
    assert [top == tops[0] for top in tops] == [True, True, False]


def test_times_are_those_of_who_looks_and_utc_is_told(chromium: Browser, signed_in: Path, stack: Stack) -> None:
    shown = {}
    for zone, has_script in (("Asia/Kolkata", True), ("UTC", True), ("Asia/Kolkata", False)):
        context = chromium.new_context(
            storage_state=signed_in, base_url=stack.url, timezone_id=zone, java_script_enabled=has_script
        )
        page = context.new_page()
        page.goto("/audit")
        time = page.locator("tbody time").last
        shown[zone, has_script] = time.inner_text(), time.get_attribute("title")
        context.close()
    (kolkata, title), (utc, _), (plain, _) = shown.values()
    assert title == f"{utc} UTC" == plain
    assert kolkata != utc
    # Half an hour off the full one, as only a zone has it.
    assert (int(kolkata[14:16]) - int(utc[14:16])) % 60 == 30
