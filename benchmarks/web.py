"""What a patient's browser does with the chat, into docs/web.md: sizes, first paint, time to the first question.

Chromium against a real gateway on this machine, as it is and slowed to what Lighthouse takes for a middling phone:
1.6 Mbit/s, 150 ms round trips, a processor four times as slow. Each figure is the median of several fresh browsers;
machine and day decide much of it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from plateau.server import create_app
from plateau.server._settings import Settings

ROOT = Path(__file__).resolve().parents[1]
PORT = 8097
URL = f"http://127.0.0.1:{PORT}/"
SLOW = {"offline": False, "latency": 150, "downloadThroughput": 1_600_000 / 8, "uploadThroughput": 750_000 / 8}
SLOWER_BY = 4
# What a web page may be asked: Core Web Vitals' "good", and Lighthouse's for the rest.
ROWS = (
    ("first_paint", "first contentful paint", "ms", 1800),
    ("largest_paint", "largest contentful paint", "ms", 2500),
    ("first_question", "first question can be answered", "ms", 3800),
    ("blocked", "blocking time until then (tasks over 50 ms)", "ms", 200),
    ("shift", "cumulative layout shift", "", 0.1),
    ("answered", "from a press on Continue to the next question", "ms", 1000),
    ("bytes", "sent to the browser until the first question", "bytes", 150_000),
    ("requests", "requests until the first question", "", 12),
)
OBSERVE = """
    window.plateau = { largest: 0, shift: 0, blocked: 0 };
    const each = (type, take) =>
        new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
    each("largest-contentful-paint", (entry) => { plateau.largest = entry.startTime; });
    each("layout-shift", (entry) => { if (!entry.hadRecentInput) plateau.shift += entry.value; });
    each("longtask", (entry) => { plateau.blocked += Math.max(0, entry.duration - 50); });
"""
READ = """() => ({
    first_paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN,
    largest_paint: plateau.largest, shift: plateau.shift, blocked: plateau.blocked,
})"""


@contextmanager
def gateway(folder: str) -> Iterator[None]:
    settings = Settings(data=folder, turns_per_minute=100_000, sessions_per_minute=100_000)
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=PORT, ws="none", log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while True:
            try:
                if httpx.get(f"{URL}ready").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.5)
        yield
    finally:
        server.should_exit = server.force_exit = True
        thread.join()


def visit(browser: Browser, slow: bool) -> dict[str, float]:
    context = browser.new_context(viewport={"width": 360, "height": 740}, reduced_motion="reduce")
    page = context.new_page()
    page.add_init_script(OBSERVE)
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    if slow:
        devtools.send("Network.emulateNetworkConditions", SLOW)
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER_BY})
    sizes: list[float] = []
    devtools.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    started = time.perf_counter()
    page.goto(URL, wait_until="commit")
    page.locator("#step .primary").wait_for()
    ready = time.perf_counter() - started
    found: dict[str, float] = {"first_question": ready * 1000, "bytes": sum(sizes), "requests": len(sizes)}
    page.wait_for_timeout(500)
    found |= page.evaluate(READ)
    found["answered"] = answer(page)
    context.close()
    return found


def answer(page: Page) -> float:
    """Milliseconds from the press to the next question, as the page itself sees them."""
    for question in page.locator("#step .question").all():
        question.locator("input").first.check()
    took: float = page.evaluate(
        """() => new Promise((done) => {
            const root = document.querySelector("plateau-chat").shadowRoot;
            const [step, from] = [root.querySelector("#step"), performance.now()];
            new MutationObserver(() => requestAnimationFrame(() => done(performance.now() - from)))
                .observe(step, { attributeFilter: ["data-id"] });
            root.querySelector("#step .primary").click();
        })"""
    )
    return took


def medians(browser: Browser, slow: bool, runs: int) -> dict[str, float]:
    visit(browser, slow)
    seen = [visit(browser, slow) for _ in range(runs)]
    return {name: statistics.median(one[name] for one in seen) for name, *_ in ROWS}


def report(plain: dict[str, float], slow: dict[str, float], runs: int) -> str:
    built: dict[str, Any] = json.loads((ROOT / "web" / "dist" / "manifest.json").read_text("utf-8"))
    source = ROOT / "web" / "dist" / built["file"]
    lines = [
        "# The chat in the browser, measured",
        "",
        f"Written by `python benchmarks/web.py` on {time.strftime('%Y-%m-%d')}: medians of {runs} fresh visits at",
        f"360 x 740 in {chromium()}.",
        "The second column slows the browser to 1.6 Mbit/s, 150 ms round trips and a quarter of this processor.",
        "",
        f"The component: {source.stat().st_size:,} bytes, {built['gzip']:,} gzipped (budget 25,000).",
        "",
        "| what | here | as on a slow phone | good is at most |",
        "|---|---|---|---|",
    ]
    for name, what, unit, good in ROWS:
        lines.append(f"| {what} | {shown(plain[name], unit)} | {shown(slow[name], unit)} | {shown(good, unit)} |")
    lines += [
        "",
        "“Good” are the bounds of Core Web Vitals and Lighthouse; those of the last three rows are our own. The first",
        "question waits for the words and for the conversation's first turn, which are asked for side by side.",
        "",
    ]
    return "\n".join(lines)


def shown(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if unit else f"{value:.3g}"
    return f"{text} {unit}".strip()


def chromium() -> str:
    return subprocess.run(["chromium", "--version"], capture_output=True, text=True).stdout.split(" built")[0].strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    if not (path := shutil.which("chromium")):
        sys.exit("no Chromium; install it with: python3 scripts/setup.py --tests")
    with tempfile.TemporaryDirectory() as folder, gateway(folder), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        text = report(medians(browser, False, options.runs), medians(browser, True, options.runs), options.runs)
        browser.close()
    (ROOT / "docs" / "web.md").write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
