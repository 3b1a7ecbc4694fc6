"""The plan to keep: its pages, the code to come back, and coming back, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Download, Locator, Page, Route, expect
from steps import (
    HEAR,
    TURN,
    answer,
    body_of,
    has,
    is_screen,
    main_button,
    place,
    press,
    say,
    settle,
    sideways,
    tab_to,
    too_small,
    violations,
    walk,
)

HANDOUT, SESSION = "**/api/handout", "**/api/session"
TOKEN = "sessionStorage.getItem('plateau-token')"
WIDTHS: dict[str, dict[str, Any]] = {
    "phone": {"color_scheme": "light"},
    "desktop": {"color_scheme": "light", "viewport": {"width": 1200, "height": 900}},
}
# A4 without the margins of report.css.
PAPER = {"width": 688, "height": 1024}


def keep(page: Page) -> str:
    """Get the plan to keep; returns the code."""
    with page.expect_response(HANDOUT):
        page.locator("#keep .primary").click()
    settle(page)
    return page.locator("#keep .code").inner_text()


def opened(context: BrowserContext, link: Locator) -> Page:
    with context.expect_page() as tab:
        link.click()
    tab.value.wait_for_load_state("networkidle")
    return tab.value


def pages_on_paper(page: Page) -> int:
    paper = page.pdf(format="A4", prefer_css_page_size=True)
    return len(re.findall(rb"/Type\s*/Page\b", paper))


def content(download: Download) -> bytes:
    return Path(download.path()).read_bytes()


def start_afresh(page: Page) -> None:
    page.evaluate("sessionStorage.clear()")
    page.reload()
    expect(page.locator("#step .question").first).to_be_visible()


def type_code(page: Page, code: str) -> None:
    page.locator("#code").fill(code)
    with page.expect_response(SESSION):
        page.locator("#code").press("Enter")
    settle(page)


def turn_of(kind: str, questions: list[dict[str, Any]], messages: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    screen = {"id": "made", "title": "Made", "section": None, "kind": kind, "questions": questions, "commands": []}
    return {"messages": messages or [], "screen": screen | {"rows": []}}


# ---- the plan to keep


def test_links_and_code_are_made_only_when_asked_for(page: Page, context: BrowserContext) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "handout" in request.url else None)
    walk(page, is_screen("plan"))
    assert asked == []
    code = keep(page)
    assert re.fullmatch(r"(\w{4}-){2}\w{4}", code)
    expect(page.locator("#keep-heading")).to_be_focused()
    for name in ("plan", "summary"):
        link = page.locator(f"#kept-{name}")
        expect(link).to_have_attribute("target", "_blank")
        expect(link).to_have_attribute("rel", "noopener")
        expect(link).to_have_accessible_name(re.compile("opens in a new tab"))
    expect(page.locator("#keep")).to_contain_text(re.compile(r"links work until \d+ \w+ 20\d\d"))
    assert too_small(page) == []
    say(page, "thank you")
    expect(page.locator("#keep .code")).to_have_text(code)
    page.emulate_media(media="print")
    expect(page.locator("#keep")).to_be_hidden()
    page.emulate_media(media="screen")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#keep .kept-code button").click()
    expect(page.locator("#keep [role=status]")).to_have_text("The code is copied.")
    assert page.evaluate("navigator.clipboard.readText()") == code
    assert len(asked) == 1
    page.reload()
    expect(page.locator("#keep .primary")).to_be_visible()
    assert page.locator("#keep .code").count() == 0
    assert keep(page) != code


def test_a_code_that_cannot_be_copied_is_selected(page: Page) -> None:
    walk(page, is_screen("plan"))
    code = keep(page)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.locator("#keep .kept-code button").click()
    expect(page.locator("#keep [role=status]")).to_contain_text("selected")
    assert page.evaluate("getSelection().toString()").strip() == code


@pytest.mark.parametrize("look", WIDTHS.values(), ids=WIDTHS)
def test_the_plan_and_the_summary_open_and_print(page: Page, context: BrowserContext) -> None:
    walk(page, is_screen("plan"))
    keep(page)
    assert violations(page) == ""
    assert not sideways(page)
    plan = opened(context, page.locator("#kept-plan"))
    summary = opened(context, page.locator("#kept-summary"))
    for tab in (plan, summary):
        expect(tab.locator("h1")).to_be_visible()
        assert tab.evaluate("window.opener") is None
        assert violations(tab) == ""
        assert not sideways(tab)
    assert pages_on_paper(summary) == 1
    assert pages_on_paper(plan) <= 4
    for tab in (plan, summary):
        tab.emulate_media(media="print")
        tab.set_viewport_size(PAPER)
        assert not sideways(tab)
        expect(tab.locator(".no-print").first).to_be_hidden()
    with page.expect_download() as pdf:
        page.locator("#kept-plan_pdf").click()
    assert pdf.value.suggested_filename == "plan.pdf"
    assert content(pdf.value).startswith(b"%PDF")
    with page.expect_download() as calendar:
        page.locator("#kept-calendar").click()
    assert content(calendar.value).startswith(b"BEGIN:VCALENDAR")
    expect(page.locator("#keep .code")).to_be_visible()


@pytest.mark.usefixtures("network_trouble")
def test_links_that_could_not_be_made_are_asked_for_again(page: Page) -> None:
    walk(page, is_screen("plan"))
    page.route(HANDOUT, lambda route: route.abort())
    page.locator("#keep .primary").click()
    again = page.locator("#trouble button")
    expect(again).to_be_visible()
    page.unroute(HANDOUT)
    again.click()
    expect(page.locator("#keep .code")).to_be_visible()
    expect(page.locator("#trouble")).to_be_empty()


# The gateway knows of no plan here, so it has no pictures.
@pytest.mark.usefixtures("network_trouble")
def test_what_the_plan_says_after_its_cards_is_shown(page: Page) -> None:
    items = [{"title": "Keep going", "text": "It works.", "because": "You are better."}]
    text = "1. Keep going\nIt works.\nYou are better.\nAlso worth a talk: a scan."
    flare = "If it flares up:\n- Rest.\n- Call +1 555 0100."
    messages = [
        {"id": "plan.recommendations", "kind": "plan", "text": text, "items": items},
        {"id": "plan.flare", "kind": "plan", "text": flare},
    ]
    page.route(TURN, lambda route: route.fulfill(json=turn_of("plan", [], messages)))
    say(page, "hello")
    expect(page.locator(".plan .plan-part").first).to_have_text("Also worth a talk: a scan.")
    expect(page.locator("[data-response='plan.flare'] h3")).to_have_text("If it flares up")
    expect(page.locator("[data-response='plan.flare'] li")).to_have_count(2)
    assert violations(page) == ""


# ---- coming back


def test_been_here_before_is_asked_at_the_start_only(page: Page) -> None:
    expect(page.locator("#come-back")).to_be_visible()
    tab_to(page, "#come-back summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#code")).to_be_focused()
    expect(page.locator("#code")).to_have_accessible_name("Your code to come back")
    assert too_small(page) == []
    page.keyboard.press("Enter")
    expect(page.locator("#code-problem")).to_have_text("Type your code first.")
    page.locator("#code").fill("ABCD")
    answer(page)
    expect(page.locator("#come-back")).to_be_hidden()


@pytest.mark.parametrize("look", [{"color_scheme": "light"}, {"color_scheme": "dark"}], ids=["light", "dark"])
@pytest.mark.usefixtures("network_trouble")
def test_a_wrong_code_says_so_and_loses_nothing(page: Page) -> None:
    page.evaluate(HEAR)
    token = page.evaluate(TOKEN)
    page.locator("#step [value=self]").check()
    page.locator("#say-text").fill("my knee hurts")
    page.locator("#come-back summary").click()
    for wrong in ("AAAA-AAAA-AAAA", "hello"):
        type_code(page, wrong)
        problem = page.locator("#code-problem")
        expect(problem).to_contain_text("This code is not known")
        expect(page.locator("#code")).to_be_focused()
        expect(page.locator("#code")).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#code")).to_have_accessible_description(re.compile("This code is not known"))
        expect(page.locator("#code")).to_have_value(wrong)
        assert problem.inner_text() in page.evaluate("heard.splice(0)")
    assert violations(page) == ""
    assert not sideways(page)
    assert page.evaluate(TOKEN) == token
    expect(page.locator("#step [value=self]")).to_be_checked()
    expect(page.locator("#say-text")).to_have_value("my knee hurts")
    page.route(SESSION, lambda route: route.abort())
    page.locator("#code").press("Enter")
    expect(page.locator("#trouble button")).to_be_visible()
    assert page.evaluate(TOKEN) == token
    answer(page)
    expect(page.locator("#come-back")).to_be_hidden()


def test_the_code_brings_a_patient_back(page: Page) -> None:
    walk(page, is_screen("plan"))
    code = keep(page)
    start_afresh(page)
    token = page.evaluate(TOKEN)
    page.locator("#step [value=self]").check()
    page.locator("#come-back summary").click()
    type_code(page, code.lower().replace("-", " "))
    assert page.evaluate(TOKEN) != token
    expect(page.locator(".entry.notice")).to_contain_text("your code works")
    expect(page.locator("#step h2")).to_be_focused()
    expect(page.locator("#step [value=self]")).to_be_checked()
    assert code not in page.content()
    page.reload()
    expect(page.locator("#step .question").first).to_be_visible()
    expect(page.locator("#come-back")).to_be_hidden()
    walk(page, lambda page: page.locator("[data-response^='plan.said.welcome']").count() > 0)
    # What can change is shown as it was, and its score is asked for anew.
    walk(page, has(".activities"))
    name, score = page.locator("#step .activity input").first, page.locator("#step .activity select").first
    expect(name).to_have_value("climbing stairs")
    expect(score).to_have_value("")
    main_button(page).click()
    expect(page.locator("#step .activities .problem")).to_be_visible()
    expect(score).to_be_focused()
    score.select_option("6")
    with page.expect_request(TURN) as sent:
        main_button(page).click()
    settle(page)
    assert body_of(sent.value)["answers"]["activities"] == [{"activity": "climbing stairs", "score": 6}]


def test_answers_of_the_last_visit_are_shown_and_can_be_sent(page: Page) -> None:
    choices = [
        {"value": "xray", "title": "X-ray"},
        {"value": "pool", "title": "Pool"},
        {"value": "none", "title": "None"},
    ]
    questions = [
        {"id": "tried", "kind": "multi", "text": "Tried?", "options": choices, "current": ["xray", "pool"]},
        {"id": "activities", "kind": "activities", "text": "What?", "current": [{"activity": "stairs", "score": 4}]},
    ]
    sent: list[dict[str, Any]] = []

    def take(route: Route) -> None:
        sent.append(body_of(route.request))
        route.fulfill(json=turn_of("questions", questions))

    page.route(TURN, take)
    say(page, "hello")
    assert place(page) == "made"
    expect(page.locator("#step input:checked")).to_have_count(2)
    expect(page.locator("#step .activity select").first).to_have_value("4")
    press(page, main_button(page))
    assert sent[-1]["answers"] == {"tried": ["xray", "pool"], "activities": [{"activity": "stairs", "score": 4}]}
