"""The page in a real browser, against whatever `base_url` serves it."""

from __future__ import annotations

import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request, sync_playwright

from plateau.server import create_app
from plateau.server._settings import Settings

ROOT = Path(__file__).resolve().parents[2]
CLINIC_KEY = "a key that only this clinic and its gateway know"
CHROMIUM = shutil.which("chromium")


class Served:
    """The real gateway with the trained model on one address, which can be stopped and started again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        config = uvicorn.Config(
            create_app(self._settings), host="127.0.0.1", port=self.port, ws="none", log_level="warning"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        with httpx.Client(base_url=self.url, timeout=60) as client:
            for _ in range(240):
                with suppress(httpx.TransportError):
                    if client.get("ready").status_code == 200:
                        return
                time.sleep(0.5)
        raise AssertionError("the gateway is not ready after two minutes")

    def stop(self) -> None:
        self._server.should_exit = True
        # Browsers keep their connections open; nobody waits for them here.
        self._server.force_exit = True
        self._thread.join()


class ClinicSite:
    """A clinic's website on an address of its own; `html` is what its one page holds, `policy` its CSP."""

    def __init__(self) -> None:
        site = self
        self.html, self.policy = "", ""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = site.html.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Security-Policy", site.policy)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="session")
def clinic_site() -> Iterator[ClinicSite]:
    site = ClinicSite()
    yield site
    site.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, clinic_site: ClinicSite) -> Iterator[Served]:
    """The gateway of a clinic whose website is `clinic_site`."""
    folder = tmp_path_factory.mktemp("gateway")
    own = yaml.safe_load((ROOT / "clinic.yml").read_text("utf-8")) | {"origins": [clinic_site.url.rstrip("/")]}
    (folder / "clinic.yml").write_text(yaml.safe_dump(own), "utf-8")
    # One browser stands for many patients here, so the limits on each caller are out of the way.
    settings = Settings(
        data=str(folder),
        clinic=str(folder / "clinic.yml"),
        clinic_key=CLINIC_KEY,
        turns_per_minute=100_000,
        sessions_per_minute=100_000,
    )
    served = Served(settings)
    served.start()
    yield served
    served.stop()


@pytest.fixture(scope="session")
def base_url(served: Served) -> str:
    """The gateway's address, ending in a slash."""
    return served.url


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    if CHROMIUM is None:
        pytest.fail("no Chromium; install it with: apt-get install -y chromium")
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture
def remembering_browser(playwright: Playwright) -> Iterator[Browser]:
    """A browser that keeps whole pages for Back, as patients' browsers do and Playwright's do not."""
    off = ["--disable-back-forward-cache"]
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], ignore_default_args=off)
    yield browser
    browser.close()


@dataclass
class Watch:
    """What a page must never do."""

    hosts: tuple[str, ...]
    troubles: list[str] = field(default_factory=list)
    expected: str = r"(?!)"

    def on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(message.text)

    def on_request(self, request: Request) -> None:
        if not request.url.startswith((*self.hosts, "data:")):
            self.troubles.append(f"went to {request.url}")

    def unexpected(self) -> list[str]:
        return [trouble for trouble in self.troubles if not re.search(self.expected, trouble)]


@pytest.fixture
def watch(base_url: str, clinic_site: ClinicSite) -> Watch:
    return Watch((base_url, clinic_site.url, clinic_site.url.replace("127.0.0.1", "localhost")))


@pytest.fixture
def network_trouble(watch: Watch) -> None:
    """For tests that break the network on purpose: the browser's own message about it is expected."""
    watch.expected = "Failed to load resource|blocked by CORS policy"


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
def tab(context: BrowserContext, watch: Watch) -> Iterator[Page]:
    """An empty tab; at the end, of all tabs: no error, no CSP violation, no other host."""
    context.on("console", watch.on_console)
    context.on("weberror", lambda error: watch.troubles.append(str(error.error)))
    context.on("request", watch.on_request)
    yield context.new_page()
    assert watch.unexpected() == []


@pytest.fixture
def page(tab: Page, base_url: str) -> Page:
    """The chat as a page of its own, with its first screen."""
    tab.goto(base_url)
    tab.locator("#step h2").wait_for(state="attached")
    return tab
