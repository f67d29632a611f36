"""A whole stack and a real browser: Debian's Chromium, without a window."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from core.settings import Settings
from localstack.ports import free_port
from localstack.tail import read_tail
from sandbox import erasers
from sandbox.server import SandboxServer
from sandbox.settings import SandboxSettings
from sandbox.wish import Wish
from tests.photos.pictures import drawn, saved
from tests.servers import claim_stack
from tests.worker.eraser import InvertingEraser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NO_CHROMIUM = "the console was not tried in a browser: there is no Chromium here (apt-get install chromium)"
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PRICE = "0.02"
UP_SECONDS = 240
WAIT_MS = 60_000

expect.set_options(timeout=WAIT_MS)


@dataclass
class LazyEraser(InvertingEraser):
    """Takes something off, unless it is told to be lazy."""

    is_lazy: bool = False

    def erase(self, image: Image.Image, wish: Wish) -> Image.Image:
        """Return the picture, with something changed or not."""
        return image if self.is_lazy else super().erase(image, wish)


@dataclass
class Stack:
    """What runs, and how it is reached."""

    url: str
    sandbox: SandboxServer
    eraser: LazyEraser
    environment: dict[str, str]
    folder: Path
    told: list[str]
    number: int = field(default=0)

    def link(self, name: str = "local") -> str:
        """Return a link that signs somebody in."""
        return self.cleanplate("user", "link", name).strip()

    def cleanplate(self, *arguments: str, told: str = "") -> str:
        """Run a command and return its output."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "cli.main", *arguments],
            env=self.environment,
            cwd=self.folder,
            input=told,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout

    def photos(self, count: int) -> list[Path]:
        """Draw photos that nobody has seen before."""
        found = []
        for _ in range(count):
            self.number += 1
            path = self.folder / f"photo-{self.number}.jpg"
            path.write_bytes(saved(drawn(600 + self.number, 640, text=f"Sale {self.number}"), quality=90))
            found.append(path)
        return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the stack wrote: a browser tells only that nobody answered."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        report.sections += [(path.name, read_tail(path, 0)) for path in sorted(stack.folder.glob("home/logs/*.log"))]
        report.sections.append(("up", "".join(stack.told)))
    return report


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """`cleanplate up`, calling a sandbox of this process."""
    if CHROMIUM is None:
        # Where they must run, their absence is a failure.
        (pytest.fail if os.environ.get("BROWSER_TESTS") == "required" else pytest.skip)(NO_CHROMIUM)
    folder = tmp_path_factory.mktemp("browser")
    claim_stack(folder)
    eraser = LazyEraser()
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasers, "_eraser", eraser)
        with SandboxServer(SandboxSettings(rate=200, latency=0.1)) as sandbox:
            ours = {name.upper() for name in Settings.model_fields}
            api = sandbox.url.rstrip("/")
            environment = {
                **{name: value for name, value in os.environ.items() if name not in ours},
                "PYTHONPATH": os.getcwd(),
                "CLEANPLATE_HOME": str(folder / "home"),
                "REMOVAL_API_URL": f"{api}/rest/ai/image/removal",
                "REMOVAL_API_KEY": "sandbox",
                "REMOVAL_API_SECRET": "sandbox",
                "REMOVAL_RATE": "20",
                "REMOVAL_PRICE": PRICE,
                "PROOF": "off",  # nothing is on these photos
                "FETCH_ALLOW_PRIVATE": api.partition("://")[2],
                "RETRY_BASE_SECONDS": "0.1",
                "WEB_PORT": str(port),
                "FLOWER_PORT": str(free_port()),
            }
            with up(environment, folder) as told:
                link = r"Console \(this link signs you in once\): http://\S+/sign-in/\S{20,}"
                assert re.search(link, "".join(told)), told
                yield Stack(f"http://127.0.0.1:{port}", sandbox, eraser, environment, folder, told)


@contextmanager
def up(environment: dict[str, str], folder: Path) -> Iterator[list[str]]:
    """Run `cleanplate up` and yield what it says, which goes on to grow, once all of it runs."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cli.main", "up"],
        env=environment,
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    stderr, runs = process.stderr, threading.Event()
    told: list[str] = []

    def listen() -> None:
        for line in stderr:
            told.append(line)
            if line.startswith("Flower:"):
                runs.set()
        runs.set()

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        assert runs.wait(UP_SECONDS), told
        assert process.poll() is None, told
        yield told
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=120)
        thread.join()
        stderr.close()


@pytest.fixture(scope="package")
def chromium(stack: Stack) -> Iterator[Browser]:  # noqa: ARG001 - without a stack there is nothing to look at
    """One browser for all tests."""
    assert CHROMIUM is not None
    with sync_playwright() as playwright:
        flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def signed_in(stack: Stack, chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the cookies of somebody who has used a one-time link."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(stack.link())
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    path = tmp_path_factory.mktemp("cookies") / "state.json"
    context.storage_state(path=path)
    context.close()
    return path


@pytest.fixture
def context(chromium: Browser, signed_in: Path, stack: Stack) -> Iterator[BrowserContext]:
    """A fresh window of somebody who is signed in; nothing may go wrong in it that nobody sees."""
    stack.eraser.is_lazy = False
    stack.sandbox.configure(faults={}, latency=0.1)
    context = chromium.new_context(storage_state=signed_in, base_url=stack.url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page whose console stays empty: no script fails, and nothing breaks the Content-Security-Policy."""
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    yield page
    assert told == []
