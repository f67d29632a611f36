"""Takes the README's pictures of the console and the report: `make screenshots`.

A catalogue is drawn, cleaned by the sandbox on a stack of its own, and looked at in Chromium; nothing is called
outside.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from core.settings import Settings
from localstack.ports import free_port
from sandbox.catalogue import make_catalogue

DOCS = Path(__file__).parent
PHOTOS = 72
SIZE = {"width": 1280, "height": 860}


def main() -> None:
    """Take them all."""
    chromium = shutil.which("chromium") or sys.exit("There is no chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        make_catalogue(folder / "catalogue", count=PHOTOS, bare_every=6)
        port = free_port()
        ours = {each.upper() for each in Settings.model_fields}
        environment = {key: value for key, value in os.environ.items() if key not in ours} | {
            "CLEANPLATE_HOME": str(folder / "home"),
            "REMOVAL_RATE": "2",
            "REMOVAL_PRICE": "0.02",
            "WEB_PORT": str(port),
        }
        command = [sys.executable, "-P", "-m", "cli.main"]
        environment["PYTHONPATH"] = str(DOCS.parent)
        up = subprocess.Popen(
            [*command, "up"], env=environment, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            assert up.stderr is not None
            link = next(found[0] for line in up.stderr if (found := re.search(r"http://\S+/sign-in/\S+", line)))
            with sync_playwright() as playwright:
                flags = ["--no-sandbox"] if os.geteuid() == 0 else []
                browser = playwright.chromium.launch(executable_path=chromium, args=flags)
                page = browser.new_page(viewport=SIZE, base_url=f"http://127.0.0.1:{port}")
                page.goto(link)
                page.get_by_role("button", name="Sign in").click()
                take_console(page, folder)
                subprocess.run([*command, "export", "1", "--to", "clean"], env=environment, cwd=folder, check=True)
                page.goto((folder / "clean/report.html").as_uri())
                save(page, "report")
                browser.close()
        finally:
            up.send_signal(signal.SIGTERM)
            up.communicate(timeout=90)


def take_console(page: Page, folder: Path) -> None:
    """Submit the catalogue and look at it."""
    page.goto("/batches/new")
    page.set_input_files("#files", sorted((folder / "catalogue/photos").iterdir()))
    page.get_by_role("textbox", name="Name", exact=True).fill("Spring catalogue")
    page.locator("[name=screen]").select_option("skip")
    page.get_by_role("button", name="Get a quote").click(timeout=120_000)
    page.get_by_role("button", name=re.compile("^Submit")).click()
    page.goto("/")
    page.wait_for_timeout(55_000)
    save(page, "console-overview")
    page.goto("/batches/1")
    expect(page.locator("#progress .sub .state")).to_have_text("finished", timeout=420_000)
    page.reload()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(3_000)
    save(page, "console-batch")
    # A bag of which little came back: held, with what is wrong drawn over it.
    page.goto("/jobs/3")
    page.get_by_role("button", name="Found").click()
    page.wait_for_timeout(2_000)
    save(page, "console-photo")
    page.goto("/jobs/2")
    page.get_by_role("link", name="Redo with a mask").click()
    page.wait_for_timeout(1_500)
    box = page.locator("canvas").bounding_box()
    assert box is not None
    for down in (0.80, 0.85):
        page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * down)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * (down - 0.03), steps=12)
        page.mouse.up()
    save(page, "console-redo")


def save(page: Page, name: str) -> None:
    """Write what is seen."""
    page.screenshot(path=DOCS / f"{name}.jpg", type="jpeg", quality=82)


if __name__ == "__main__":
    main()
