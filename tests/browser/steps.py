"""Moving through the conversation as a patient does, and looking at what stands there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, Request, expect

TURN = "**/api/turn"
# Notes in window.heard what is announced.
HEAR = """
    const heard = window.heard = [];
    const live = document.querySelector("plateau-chat").shadowRoot.querySelector("#live");
    const note = (all) => all.forEach((one) => one.addedNodes.forEach((node) => heard.push(node.textContent)));
    new MutationObserver(note).observe(live, { childList: true });
"""
TOO_SMALL = """() => {
    const own = "button:not(.skip-link), summary, select, textarea, input[type=text]";
    const pressed = `${own}, .option, .scale label, a.button`;
    return [...document.querySelector("plateau-chat").shadowRoot.querySelectorAll(pressed)]
        .filter((one) => one.checkVisibility())
        .map((one) => [one.outerHTML, one.getBoundingClientRect()])
        .filter(([, { width, height }]) => height < 44 || width < 24)
        .map(([html]) => html);
}"""
# Scrolled, the bar lies over half of some control, which axe then takes for too small.
TO_TOP = """() => {
    scrollTo(0, 0);
    document.querySelector("plateau-chat")?.shadowRoot.querySelector("#panel")?.scrollTo(0, 0);
}"""
AXE = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}}

# What a typical patient picks, by question id and by kind; every other choice is its first option.
PICKS = {"age_band": "40_49", "pregnancy": "no", "body_region": "knee", "progress": "same", "joint_replacement": "no"}
NUMBERS = {
    "hep_days_done": "2",
    "hep_days_prescribed": "5",
    "weeks_in_pt": "12",
    "sessions": "12",
    "unchanged_weeks": "8",
}


def settle(page: Page) -> None:
    expect(page.locator("#app")).to_have_attribute("aria-busy", "false")


def press(page: Page, control: Locator) -> None:
    """Press what sends a turn, and wait until it is shown."""
    with page.expect_response(TURN):
        control.click()
    settle(page)


def command(page: Page, name: str) -> Locator:
    return page.locator(f"[data-command={name}]")


def main_button(page: Page) -> Locator:
    return page.locator("#step .primary").first


def fill(question: Locator) -> None:
    ident = question.get_attribute("data-question") or ""
    kind = (question.get_attribute("class") or "").split()[1]
    instead = question.locator("[type=checkbox]")
    if kind == "number" and instead.count():
        instead.check()
    elif kind == "number":
        question.locator("input.number").fill(NUMBERS.get(ident, "20"))
    elif kind == "text":
        question.locator("textarea").fill("walking up the hill")
    elif kind == "activities":
        question.locator("input").first.fill("climbing stairs")
        question.locator("select").first.select_option("4")
    elif kind == "nprs":
        question.locator("[value='5']").check()
    else:
        wanted = question.locator(f"[value='{PICKS.get(ident, 'none')}']")
        (wanted if wanted.count() else question.locator("input").first).check()


def answer(page: Page) -> None:
    for question in page.locator("#step .question").all():
        fill(question)
    press(page, main_button(page))


def place(page: Page) -> str:
    return page.locator("#step").get_attribute("data-id") or ""


def kind_of(page: Page) -> str:
    return page.locator("#app").get_attribute("data-screen") or ""


def walk(page: Page, until: Callable[[Page], bool], visit: Callable[[Page], None] = lambda _: None) -> None:
    """Answer screen after screen until one fits; `visit` is called on each."""
    for _ in range(45):
        visit(page)
        if until(page):
            return
        answer(page)
    raise AssertionError(f"45 screens answered, and now: {page.locator('#step').inner_text()}")


def has(selector: str) -> Callable[[Page], bool]:
    return lambda page: page.locator(f"#step {selector}").count() > 0


def is_screen(kind: str) -> Callable[[Page], bool]:
    return lambda page: kind_of(page) == kind


def say(page: Page, text: str) -> None:
    page.locator("#say-text").fill(text)
    press(page, page.locator("#say button"))


def body_of(request: Request) -> dict[str, Any]:
    return dict(request.post_data_json or {})


def tab_to(page: Page, selector: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.locator(f":focus:is({selector})").count():
            return
    raise AssertionError(f"60 tabs do not reach {selector}")


def sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def too_small(page: Page) -> list[str]:
    """What can be pressed and is smaller than a thumb needs."""
    found: list[str] = page.evaluate(TOO_SMALL)
    return found


def violations(page: Page) -> str:
    """What axe finds wrong, a line for each place; it looks into the component's shadow root too."""
    page.evaluate(TO_TOP)
    found = Axe().run(page, options=AXE).response["violations"]
    return "\n".join(f"{one['id']}: {node['html']}: {node['failureSummary']}" for one in found for node in one["nodes"])
