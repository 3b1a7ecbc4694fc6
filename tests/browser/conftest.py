"""The page in a real browser, against whatever `base_url` serves it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from places import CLINIC_KEY, ClinicSite, Served, Watch
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from plateau.server._settings import Settings

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium")


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
