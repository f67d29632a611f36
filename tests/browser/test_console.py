"""What people do in the console, in a real browser."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import WAIT_MS, Stack

SERIOUS = {"serious", "critical"}


def submit(page: Page, photos: list[Path]) -> int:
    """Submit photos as a person does and return the batch's id."""
    page.goto("/batches/new")
    page.set_input_files("#files", photos)
    page.get_by_role("button", name="Get a quote").click()
    page.get_by_role("button", name=re.compile("^Submit")).click()
    page.wait_for_url(re.compile(r"/batches/\d+$"))
    return int(page.url.rpartition("/")[2])


def wait_for_state(page: Page, state: str = "finished") -> None:
    """Wait, without a reload, until the batch on the page is in a state."""
    expect(page.locator("#progress .sub .state")).to_have_text(re.compile(f"^{re.escape(state)}"), timeout=WAIT_MS)


def figure(page: Page, name: str) -> Locator:
    """Return the number above a word."""
    return page.locator("#progress .figures div", has=page.locator("span", has_text=re.compile(f"^{name}"))).locator(
        "b"
    )


def paint(page: Page, *, tool: str = "brush") -> str:
    """Paint on a photo and return what the page says of it."""
    page.locator(f"[data-tool={tool}]").click()
    canvas = page.locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.3, steps=5)
    page.mouse.up()
    told: str = page.locator("[data-area]").inner_text()
    return told


def test_photos_are_dropped_quoted_submitted_and_watched(page: Page, stack: Stack) -> None:
    stack.sandbox.configure(latency=0.8)
    before = stack.sandbox.stats()["received"]
    page.goto("/batches/new")
    page.set_input_files("#files", stack.photos(4))
    expect(page.locator("[data-chosen]")).to_contain_text("4 files")
    page.get_by_role("button", name="Get a quote").click()
    expect(page.locator(".quote")).to_contain_text("4 calls, free (would be 0.08 USD) at 0.02 USD each")
    assert stack.sandbox.stats()["received"] == before
    page.get_by_role("button", name="Submit: 4 calls to the sandbox, free (would be 0.08 USD)").click()
    page.evaluate("window.mark = 'the same page'")
    seen = set()
    while figure(page, "done").inner_text() != "100.0%":
        seen.add(figure(page, "done").inner_text())
        page.wait_for_timeout(100)
    wait_for_state(page)
    assert "0.0%" in seen
    expect(figure(page, "clean")).to_have_text("4")
    expect(figure(page, "cost")).to_have_text("free (would be 0.08 USD)")
    # All of the page lives, not its numbers only.
    expect(page.locator(".grid .state.succeeded")).to_have_count(4)
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    assert page.evaluate("window.mark") == "the same page"
    picture = page.locator(".grid img").first
    page.wait_for_function("image => image.complete && image.naturalWidth > 100", arg=picture.element_handle())


def test_a_photo_before_and_after(page: Page, context: BrowserContext, stack: Stack) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    submit(page, stack.photos(1))
    wait_for_state(page)
    page.reload()
    page.locator(".grid a").first.click()
    expect(page.get_by_role("heading", name=re.compile("photo-"))).to_be_visible()
    page.wait_for_load_state()
    sheet, slide = page.locator(".cell:not(.twin) .sheet"), page.locator("[data-slide]")
    assert sheet.evaluate("e => e.style.getPropertyValue('--at')") == "50%"
    slide.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert sheet.evaluate("e => e.style.getPropertyValue('--at')") == "51%"
    # Where the slider is, one picture ends and the other begins.
    clip = page.locator(".before").evaluate("e => getComputedStyle(e).clipPath")
    assert clip.startswith("inset(0px calc(49%") or "49%" in clip
    page.keyboard.press("b")
    expect(page.locator("[data-compare]")).to_have_class(re.compile("blinking"))
    page.keyboard.press("b")
    marks = page.locator(".marks")
    expect(marks).to_be_hidden()
    page.locator("[data-marks]").click()
    expect(marks).to_be_visible()
    page.wait_for_function("image => image.complete && image.naturalWidth > 100", arg=marks.element_handle())
    page.locator("[data-zoom=in]").click()
    expect(page.locator(".compare")).to_have_class(re.compile("zoomed"))
    page.locator("[data-zoom=fit]").click()
    expect(page.locator(".compare")).not_to_have_class(re.compile("zoomed"))
    expect(page.locator(".timeline li.good")).to_have_count(1)
    request_id = page.locator(".timeline code").nth(1).inner_text()
    page.get_by_role("button", name="Copy for the provider's support").click()
    assert page.evaluate("navigator.clipboard.readText()") == request_id
    page.get_by_text("Facts").scroll_into_view_if_needed()
    expect(page.locator(".facts")).to_contain_text("of the picture")


def test_held_photos_are_reviewed_by_keyboard(page: Page, stack: Stack) -> None:
    stack.eraser.is_lazy = True
    batch = submit(page, stack.photos(3))
    wait_for_state(page)
    expect(figure(page, "held")).to_have_text("3")
    stack.eraser.is_lazy = False
    page.goto(f"/review?batch={batch}")
    first = page.locator("h1 a").inner_text()
    page.keyboard.press("a")
    expect(page.locator(".said")).to_contain_text("is clean")
    page.wait_for_load_state()
    second = page.locator("h1 a").inner_text()
    assert second != first
    page.keyboard.press("r")
    expect(page.locator("input[name=reason]")).to_be_focused()
    page.keyboard.type("The strap is smeared")
    page.keyboard.press("Enter")
    expect(page.locator(".said")).to_contain_text("is rejected")
    page.wait_for_load_state()
    third = page.locator("h1 a").inner_text()
    page.keyboard.press("n")
    page.wait_for_url(re.compile("/redo"))
    paint(page)
    page.get_by_role("button", name=re.compile("^Redo: 1 call to the sandbox")).click()
    expect(page.locator(".said")).to_contain_text("Redoing as job")
    # None is left: one is clean, one rejected, one on its way.
    expect(page.get_by_text("Nothing needs review")).to_be_visible()
    page.goto(f"/jobs/{second.removeprefix('job ')}")
    expect(page.locator(".sub").first).to_contain_text("Rejected by a person: The strap is smeared")
    page.goto(f"/jobs/{third.removeprefix('job ')}")
    expect(page.locator(".facts")).to_contain_text("Redone as")
    page.wait_for_function("() => document.body.innerText.includes('succeeded') || void location.reload()")
    page.goto("/audit")
    lines = page.locator("tbody").inner_text()
    for what in ("accept", "reject", "redo", "The strap is smeared"):
        assert what in lines


def test_a_mask_is_painted_and_the_photo_done_again(page: Page, stack: Stack) -> None:
    submit(page, stack.photos(1))
    wait_for_state(page)
    page.reload()
    page.locator(".grid a").first.click()
    original = page.url
    old = page.request.get(f"{original.replace('/jobs/', '/photos/')}/output").body()
    page.get_by_role("link", name="Redo with a mask").click()
    page.wait_for_url(re.compile("/redo"))
    told = paint(page, tool="box")
    found = re.search(r"([\d,]+) pixels in ([\d,]+) runs: ([\d.]+)% of the photo", told)
    assert found, told
    assert 2 < float(found[3]) < 4  # a box of 0.3 by 0.1
    mask = page.locator("[data-mask]").input_value()
    size, _, runs = mask.partition(": ")
    assert re.fullmatch(r"\d+x640", size)
    numbers = list(map(int, runs.split()))
    assert sum(numbers[1::2]) == int(found[1].replace(",", ""))
    page.locator("[data-undo]").click()
    expect(page.locator("[data-area]")).to_have_text("Nothing painted yet.")
    assert page.locator("[data-mask]").input_value() == ""
    paint(page)
    calls = stack.sandbox.stats()["received"]
    page.get_by_role("button", name=re.compile("^Redo")).click()
    page.wait_for_url(re.compile(r"/jobs/\d+$"))
    assert page.url != original
    expect(page.locator(".facts")).to_contain_text("what a mask covers")
    again = page.url
    for _ in range(100):
        page.goto(again)
        if "succeeded" in page.locator(".sub").first.inner_text():
            break
        page.wait_for_timeout(100)
    assert stack.sandbox.stats()["received"] == calls + 1
    new = page.request.get(f"{original.replace('/jobs/', '/photos/')}/output").body()
    assert new != old
    assert new == page.request.get(f"{again.replace('/jobs/', '/photos/')}/output").body()


def test_a_group_of_failures_goes_round_again(page: Page, stack: Stack) -> None:
    stack.sandbox.configure(faults={"703": 1.0})
    submit(page, stack.photos(3))
    wait_for_state(page)
    expect(figure(page, "failed")).to_have_text("3")
    stack.sandbox.configure(faults={})
    page.reload()
    row = page.locator("tr", has_text="703")
    row.get_by_role("button", name="Retry these 3").click()
    expect(page.locator(".question")).to_have_text(
        re.compile(r"^Retry 3 failed photos with code 703 of batch \d+\? Up to 3 calls .*0\.06 USD\)\.$")
    )
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator(".said")).to_contain_text("Retrying 3 failed photos with code 703")
    wait_for_state(page)
    expect(figure(page, "clean")).to_have_text("3")
    expect(figure(page, "failed")).to_have_text("0")


def test_a_batch_is_paused_resumed_and_cancelled(page: Page, stack: Stack) -> None:
    stack.sandbox.configure(latency=1.0)
    submit(page, stack.photos(6))
    page.get_by_role("button", name="Pause").click()
    wait_for_state(page, "paused (by hand)")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".said")).to_contain_text("Resumed")
    page.get_by_role("button", name="Cancel").click()
    if page.locator(".question").is_visible():
        page.get_by_role("button", name="Cancel the batch").click()
    expect(page.locator(".said")).to_contain_text(re.compile("Cancelled|already ended"))


def test_the_overview_lives(page: Page, stack: Stack) -> None:
    page.goto("/")
    page.evaluate("window.mark = 'the same page'")
    expect(page.locator("#fleet")).to_contain_text("dispatcher (leader)")
    expect(page.locator("#fleet")).to_contain_text("worker")
    before = page.locator("#newest tbody tr").first.inner_text()
    other = page.context.new_page()
    submit(other, stack.photos(2))
    expect(page.locator("#newest tbody tr").first).not_to_have_text(before, timeout=WAIT_MS)
    expect(page.locator("#attention")).to_contain_text("today (UTC)")
    expect(page.locator("#figures")).to_contain_text("API: OK")
    assert page.evaluate("window.mark") == "the same page"
    other.goto("/costs")
    other.get_by_role("link", name="Flower").click()
    # It is signed in there; a password would have been asked for by the browser.
    expect(other.locator("body")).to_contain_text("Online workers", ignore_case=True)
    page.get_by_role("link", name="24h").click()
    expect(page.locator("svg.chart")).to_have_attribute("aria-label", re.compile("over 14\\d\\d minutes"))


def test_signing_out_and_in(chromium: Browser, stack: Stack) -> None:
    stack.cleanplate("user", "add", "vera", "--role", "viewer", "--password-stdin", told="a good long password\n")
    context = chromium.new_context(base_url=stack.url)
    page = context.new_page()
    page.goto("/batches?state=finished")
    page.get_by_label("Name").fill("vera")
    page.get_by_label("Password").fill("a wrong password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Wrong name or password")
    page.get_by_label("Password").fill("a good long password")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile(r"/batches\?state=finished$"))
    expect(page.get_by_role("link", name="New batch")).to_have_count(0)
    cookie = next(each for each in context.cookies() if each["name"] == "cleanplate_session")
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator(".said")).to_contain_text("signed out")
    page.goto("/batches")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    # The cookie is of no use any more, whoever has kept it.
    context.add_cookies([cookie])
    page.goto("/batches")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()


def test_it_reads_without_javascript(chromium: Browser, signed_in: Path, stack: Stack) -> None:
    with_scripts = chromium.new_context(storage_state=signed_in, base_url=stack.url)
    batch = submit(with_scripts.new_page(), stack.photos(1))
    with_scripts.close()
    context = chromium.new_context(storage_state=signed_in, base_url=stack.url, java_script_enabled=False)
    page = context.new_page()
    for _ in range(100):
        page.goto(f"/batches/{batch}")
        if "finished" in page.locator("#progress").inner_text():
            break
        page.wait_for_timeout(100)
    page.locator(".grid a").first.click()
    for name in ("before", "after"):
        expect(page.locator(f"img.{name}")).to_be_visible()
    expect(page.locator(".tools")).to_be_hidden()
    page.goto("/")
    expect(page.locator("svg.chart")).to_be_visible()
    context.close()


def test_a_page_says_that_it_is_old(chromium: Browser, signed_in: Path, stack: Stack) -> None:
    # A browser writes into its console that it cannot connect, which other tests hold to be a fault of ours.
    context = chromium.new_context(storage_state=signed_in, base_url=stack.url)
    page = context.new_page()
    page.route("**/live/**", lambda route: route.abort())
    page.goto("/")
    expect(page.get_by_text("this page may be out of date")).to_be_visible(timeout=WAIT_MS)
    page.unroute("**/live/**")
    expect(page.get_by_text("this page may be out of date")).to_be_hidden(timeout=WAIT_MS)
    context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_everybody_can_use_it(chromium: Browser, signed_in: Path, stack: Stack, scheme: str, width: int) -> None:
    """axe finds nothing serious, in both colour schemes and on a phone, on every kind of page."""
    context = chromium.new_context(
        storage_state=signed_in,
        base_url=stack.url,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 850},
    )
    page = context.new_page()
    stack.eraser.is_lazy = True
    batch = submit(page, stack.photos(1))
    wait_for_state(page)
    stack.eraser.is_lazy = False
    page.reload()
    job = page.locator(".grid a").first.get_attribute("href")
    paths = ["/", "/batches", f"/batches/{batch}", "/batches/new", str(job), f"{job}/redo", f"/review?batch={batch}"]
    paths += ["/alarms", "/costs", "/connections", "/tokens", "/people", "/audit", "/nothing-here"]
    found = []
    for path in paths:
        page.goto(path)
        page.wait_for_timeout(200)
        for violation in Axe().run(page).response["violations"]:
            if violation["impact"] in SERIOUS:
                where = [node["html"][:120] for node in violation["nodes"]][:3]
                found.append((path, violation["id"], where))
    context.clear_cookies()
    page.goto("/sign-in")
    found += [
        ("/sign-in", each["id"], []) for each in Axe().run(page).response["violations"] if each["impact"] in SERIOUS
    ]
    assert found == []
    context.close()
