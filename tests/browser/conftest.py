"""The page in a real browser, against whatever `base_url` serves it."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="session")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the real gateway with the trained model, ending in a slash."""
    from plateau.server import create_app
    from plateau.server._settings import Settings

    # One browser stands for many patients here, so the limits on each caller are out of the way.
    settings = Settings(
        data=str(tmp_path_factory.mktemp("data")), turns_per_minute=100_000, sessions_per_minute=100_000
    )
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(settings), ws="none", log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    try:
        with httpx.Client(base_url=url, timeout=60) as client:
            for _ in range(120):
                if client.get("ready").status_code == 200:
                    break
                time.sleep(1)
        yield url
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.fail("no Chromium; install it with: apt-get install -y chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Watch:
    """What a page must never do."""

    base_url: str
    troubles: list[str] = field(default_factory=list)
    expected: str = "\0"

    def on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(message.text)

    def on_request(self, request: Request) -> None:
        if not request.url.startswith(self.base_url):
            self.troubles.append(f"went to {request.url}")

    def unexpected(self) -> list[str]:
        return [trouble for trouble in self.troubles if self.expected not in trouble]


@pytest.fixture
def watch(base_url: str) -> Watch:
    return Watch(base_url)


@pytest.fixture
def network_trouble(watch: Watch) -> None:
    """For tests that break the network on purpose: the browser's own message about it is expected."""
    watch.expected = "Failed to load resource"


@pytest.fixture
def look() -> dict[str, Any]:
    """How the browser is set up; parametrize it to change it."""
    return {}


@pytest.fixture
def context(browser: Browser, look: dict[str, Any]) -> Iterator[BrowserContext]:
    options: dict[str, Any] = {
        "viewport": {"width": 360, "height": 740},
        "reduced_motion": "reduce",
        "locale": "en-US",
        **look,
    }
    context = browser.new_context(**options)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, base_url: str, watch: Watch) -> Iterator[Page]:
    """The page, opened, with its first screen; at the end, of all tabs: no error, no CSP violation, no other host."""
    context.on("console", watch.on_console)
    context.on("weberror", lambda error: watch.troubles.append(str(error.error)))
    context.on("request", watch.on_request)
    page = context.new_page()
    page.goto(base_url)
    page.locator("#step h2").wait_for(state="attached")
    yield page
    assert watch.unexpected() == []
