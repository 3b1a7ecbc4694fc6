"""What the page does for a patient, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Request, Route, expect
from steps import (
    HEAR,
    TURN,
    answer,
    body_of,
    command,
    fill,
    has,
    is_screen,
    kind_of,
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

# ---- everybody can read and use it

LOOKS: dict[str, dict[str, Any]] = {
    "light, phone": {"color_scheme": "light"},
    "dark, phone": {"color_scheme": "dark"},
    "light, desktop": {"color_scheme": "light", "viewport": {"width": 1200, "height": 900}},
    "dark, desktop": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 900}},
    "narrowest": {"viewport": {"width": 320, "height": 600}},
    "forced colours": {"forced_colors": "active"},
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_every_kind_of_screen_to_the_plan_is_accessible(page: Page) -> None:
    seen: set[tuple[str, ...]] = set()

    def check(page: Page) -> None:
        kinds = page.locator("#step .question").evaluate_all(
            "all => [...new Set(all.map(one => one.className))].sort()"
        )
        if (looks := (kind_of(page), *kinds)) not in seen:
            seen.add(looks)
            assert violations(page) == ""
        assert not sideways(page)

    walk(page, is_screen("plan"), check)


@pytest.mark.parametrize("look", list(LOOKS.values())[:2], ids=list(LOOKS)[:2])
@pytest.mark.usefixtures("network_trouble")
def test_problems_trouble_emergency_and_dialogs_are_accessible(page: Page) -> None:
    main_button(page).click()
    expect(page.locator("#step .problem").first).to_be_visible()
    assert violations(page) == ""
    for opener in ("#open-help", "#open-forget"):
        page.locator(opener).click()
        assert violations(page) == ""
        page.keyboard.press("Escape")
    page.route(TURN, lambda route: route.abort())
    page.locator("#say-text").fill("hello")
    page.locator("#say button").click()
    expect(page.locator("#trouble button")).to_be_visible()
    assert violations(page) == ""
    page.unroute(TURN)
    say(page, "I have crushing chest pain")
    expect(page.locator(".entry.emergency")).to_be_visible()
    assert violations(page) == ""


def test_targets_are_large_enough(page: Page) -> None:
    def check(page: Page) -> None:
        assert too_small(page) == []

    walk(page, is_screen("review"), check)


# ---- by keyboard


def test_a_screen_is_answered_by_keyboard_alone(page: Page) -> None:
    before = place(page)
    names = page.locator("#step .question").evaluate_all("all => all.map(one => one.dataset.question)")
    for name in names:
        tab_to(page, f"[data-question='{name}'] input")
        page.keyboard.press("Space")
    tab_to(page, "#step .primary")
    with page.expect_response(TURN):
        page.keyboard.press("Enter")
    settle(page)
    assert place(page) != before
    expect(page.locator("#step h2")).to_be_focused()


def test_enter_sends_typed_words_and_focus_stays_in_the_box(page: Page) -> None:
    page.locator("#say-text").focus()
    page.keyboard.type("why do you ask?")
    with page.expect_response(TURN):
        page.keyboard.press("Enter")
    settle(page)
    expect(page.locator("#say-text")).to_be_focused()
    expect(page.locator("#say-text")).to_have_value("")
    expect(page.locator(".entry.patient").last).to_contain_text("why do you ask?")


def test_help_opens_by_keyboard_and_gives_focus_back(page: Page) -> None:
    tab_to(page, "#open-help")
    page.keyboard.press("Enter")
    expect(page.locator("#help")).to_be_visible()
    expect(page.locator("#help-calls a[href='tel:911']").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#open-help")).to_be_focused()


# ---- answers


def test_an_empty_screen_is_not_sent_and_says_what_to_do(page: Page) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    main_button(page).click()
    expect(page.locator("#step .problem").first).not_to_be_empty()
    expect(page.locator("#step .question input").first).to_be_focused()
    assert sent == []


def test_none_of_these_stands_alone(page: Page) -> None:
    walk(page, has(".multi [value=none]"))
    question = page.locator("#step .multi", has=page.locator("[value=none]")).first
    none, other = question.locator("[value=none]"), question.locator("[type=checkbox]:not([value=none])").first
    other.check()
    none.check()
    expect(other).not_to_be_checked()
    other.check()
    expect(none).not_to_be_checked()


@pytest.mark.parametrize("typed", ["8", "8 weeks", " 1 week ", "2,5", "2.5 weeks"])
def test_a_number_may_come_with_its_unit(page: Page, typed: str) -> None:
    walk(page, has("[data-question=weeks_with_problem]"))
    for question in page.locator("#step .question").all():
        fill(question)
    page.locator("[data-question=weeks_with_problem] input.number").fill(typed)
    with page.expect_request(TURN) as sent:
        main_button(page).click()
    settle(page)
    expected = float(typed.replace("weeks", "").replace("week", "").replace(",", "."))
    assert body_of(sent.value)["answers"]["weeks_with_problem"] == expected


@pytest.mark.parametrize("typed", ["abc", "-3", "99999", "1e9", "2 months"])
def test_a_number_that_does_not_fit_is_not_sent(page: Page, typed: str) -> None:
    walk(page, has(".number"))
    for question in page.locator("#step .question").all():
        fill(question)
    question = page.locator("#step .question.number").first
    question.locator("input.number").fill(typed)
    main_button(page).click()
    expect(question.locator(".problem")).to_be_visible()
    expect(question.locator("input.number")).to_have_attribute("aria-invalid", "true")
    expect(question.locator("input.number")).to_be_focused()


def test_asking_why_keeps_what_is_filled_in(page: Page) -> None:
    walk(page, has(".nprs"))
    page.locator("#step .nprs").first.locator("[value='7']").check()
    press(page, command(page, "why"))
    expect(page.locator("#step .nprs").first.locator("[value='7']")).to_be_checked()


def test_a_screen_passed_over_half_way_keeps_its_answers(page: Page) -> None:
    walk(page, lambda page: page.locator("#step .nprs").count() > 1)
    first, second = page.locator("#step .nprs").nth(0), page.locator("#step .nprs").nth(1)
    first.locator("[value='7']").check()
    ids = [one.get_attribute("data-question") for one in (first, second)]
    with page.expect_request(TURN) as sent:
        command(page, "dont_know").click()
    settle(page)
    answers = body_of(sent.value)["answers"]
    assert [answers[ident] for ident in ids] == [7, "unknown"]


def test_a_number_may_have_an_answer_without_a_number(page: Page) -> None:
    walk(page, has(".number [type=checkbox]"))
    question = page.locator("#step .question.number", has=page.locator("[type=checkbox]"))
    number, instead = question.locator("input.number"), question.locator("[type=checkbox]")
    number.fill("12")
    instead.check()
    expect(number).to_have_value("")
    number.fill("12")
    expect(instead).not_to_be_checked()


def test_an_activity_needs_its_number(page: Page) -> None:
    walk(page, has(".activities"))
    page.locator("#step .activity input").nth(1).fill("getting up")
    main_button(page).click()
    expect(page.locator("#step .problem")).to_be_visible()
    expect(page.locator("#step .activity select").nth(1)).to_be_focused()


def test_going_back_shows_the_answer_given(page: Page) -> None:
    walk(page, has(".nprs"))
    answer(page)
    press(page, command(page, "back"))
    expect(page.locator("#step .nprs").first.locator("[value='5']")).to_be_checked()


def test_an_answer_changed_in_the_review_comes_back_to_the_review(page: Page) -> None:
    walk(page, is_screen("review"))
    change = page.locator("[data-change=pain_now]")
    label = change.locator("xpath=ancestor::div[1]/dt").inner_text()
    expect(change).to_have_accessible_name(f"Change: {label}")
    press(page, change)
    scale = page.locator("[data-question=pain_now]")
    expect(scale.locator("[value='5']")).to_be_checked()
    # Not above the worst pain, which would be asked about.
    scale.locator("[value='3']").check()
    press(page, main_button(page))
    walk(page, is_screen("review"))
    expect(page.locator("div:has(> dd > [data-change=pain_now]) .answer")).to_contain_text("3")


def test_typed_html_stays_text(page: Page) -> None:
    say(page, "<img src=x onerror=alert(1)><b>hello</b>")
    expect(page.locator(".entry.patient").last).to_contain_text("<b>hello</b>")
    assert page.locator("#log img, #log b").count() == 0


# ---- emergency and plan


def test_an_emergency_interrupts_with_its_heading_and_a_phone_link(page: Page) -> None:
    say(page, "I have crushing chest pain and cannot breathe")
    card = page.locator(".entry.emergency")
    expect(card.locator("h2")).to_be_focused()
    expect(card.locator("a[href^='tel:']").first).to_be_visible()
    assert kind_of(page) == "emergency"
    expect(page.locator(".entry.say").first).to_be_hidden()


def test_the_plan_prints_alone(page: Page) -> None:
    walk(page, is_screen("plan"))
    expect(page.locator(".plan h2").first).to_be_focused()
    parts = page.locator(".entry.plan").evaluate_all("all => all.map(one => one.dataset.response)")
    assert (parts[0], parts[-1]) == ("plan.recommendations", "plan.closing")
    assert {"plan.flare", "plan.questions", "plan.later"} <= set(parts)
    say(page, "thank you")
    assert page.locator(".plan-items > li").count() > 0
    page.emulate_media(media="print")
    expect(page.locator(".plan-items")).to_be_visible()
    for part in page.locator(".entry.plan").all():
        expect(part).to_be_visible()
    for other in (
        "#step form",
        "#keep",
        "#step .toolbar",
        "#say",
        "footer",
        "#open-help",
        ".entry.patient",
        ".entry.latest",
        ".intro",
    ):
        for element in page.locator(other).all():
            expect(element).to_be_hidden()


# ---- nothing is lost, nothing is sent twice


def test_reload_keeps_the_place(page: Page) -> None:
    answer(page)
    before = place(page)
    page.reload()
    expect(page.locator("#step")).to_have_attribute("data-id", before)
    expect(page.locator("#step .question").first).to_be_visible()


def lose_answer(route: Route) -> None:
    route.fetch()
    route.abort()


FAILURES: dict[str, Callable[[Route], None]] = {
    "no network": lambda route: route.abort(),
    "not saved": lambda route: route.fulfill(status=503, json={"error": {"code": "not_saved", "message": "-"}}),
    "broken": lambda route: route.fulfill(status=500, body="-"),
    "too fast": lambda route: route.fulfill(status=429, json={"error": {"code": "rate", "message": "-"}}),
    "still busy": lambda route: route.fulfill(status=409, json={"error": {"code": "busy", "message": "-"}}),
    "answered, but the answer got lost": lose_answer,
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@pytest.mark.usefixtures("network_trouble")
def test_a_failed_answer_stays_and_is_sent_again_with_its_id(page: Page, failure: Callable[[Route], None]) -> None:
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith("/turn"):
            sent.append(body_of(request)["id"])

    page.on("request", note)
    before = place(page)
    for question in page.locator("#step .question").all():
        fill(question)
    page.route(TURN, failure)
    main_button(page).click()
    again = page.locator("#trouble button")
    expect(again).to_be_visible()
    expect(page.locator("#step :checked").first).to_be_attached()
    assert place(page) == before
    page.unroute(TURN)
    settle(page)
    press(page, again)
    assert place(page) != before
    expect(page.locator("#trouble")).to_be_empty()
    assert len(set(sent)) == 1
    assert len(sent) > 1
    assert page.locator(".entry.patient").count() == 1


@pytest.mark.usefixtures("network_trouble")
def test_danger_heard_in_a_turn_that_was_not_saved_is_shown(page: Page) -> None:
    heard = {"id": "safety.emergency", "kind": "emergency", "text": "Please call 911 now."}
    body = {
        "error": {"code": "not_saved", "message": "-"},
        "turn": {"messages": [heard], "screen": None, "saved": False},
    }
    page.route(TURN, lambda route: route.fulfill(status=503, json=body))
    page.locator("#say-text").fill("I have crushing chest pain")
    page.locator("#say button").click()
    expect(page.locator("#trouble h2")).to_be_focused()
    expect(page.locator("#trouble a[href='tel:911']")).to_be_visible()
    expect(page.locator("#say-text")).to_have_value("I have crushing chest pain")
    assert violations(page) == ""


@pytest.mark.usefixtures("network_trouble")
def test_typed_words_stay_after_a_failure(page: Page) -> None:
    page.route(TURN, lambda route: route.abort())
    page.locator("#say-text").fill("my knee hurts")
    page.locator("#say button").click()
    expect(page.locator("#trouble button")).to_be_visible()
    expect(page.locator("#say-text")).to_have_value("my knee hurts")
    page.unroute(TURN)
    press(page, page.locator("#trouble button"))
    expect(page.locator("#say-text")).to_have_value("")


def test_a_slow_turn_shows_a_sign_and_is_not_sent_twice(page: Page) -> None:
    held: list[Route] = []
    page.route(TURN, lambda route: held.append(route))
    for question in page.locator("#step .question").all():
        fill(question)
    main_button(page).click()
    main_button(page).click()
    expect(page.locator("#typing")).to_be_visible()
    assert len(held) == 1
    held[0].continue_()
    expect(page.locator("#typing")).to_be_hidden()


@pytest.mark.usefixtures("network_trouble")
def test_a_session_that_ended_starts_again(page: Page) -> None:
    answer(page)
    token = page.evaluate("sessionStorage.getItem('plateau-token')")
    page.request.post(f"{page.url}api/forget", headers={"Authorization": f"Bearer {token}"})
    page.locator("#say-text").fill("hello")
    page.locator("#say button").click()
    expect(page.locator("#trouble button")).to_be_visible()
    page.locator("#trouble button").click()
    expect(page.locator("#trouble")).to_be_empty()
    assert page.evaluate("sessionStorage.getItem('plateau-token')") != token


@pytest.mark.usefixtures("network_trouble")
def test_a_reload_with_an_ended_session_starts_again(page: Page) -> None:
    page.evaluate("sessionStorage.setItem('plateau-token', 'forged')")
    page.reload()
    expect(page.locator(".entry.notice")).to_be_visible()
    expect(page.locator("#step .question").first).to_be_visible()


def test_deleting_asks_first_and_then_forgets(page: Page) -> None:
    answer(page)
    token = page.evaluate("sessionStorage.getItem('plateau-token')")
    page.locator("#open-forget").click()
    page.locator("#confirm-no").click()
    assert page.evaluate("sessionStorage.getItem('plateau-token')") == token
    page.locator("#open-forget").click()
    with page.expect_response("**/api/forget"):
        page.locator("#confirm-yes").click()
    expect(page.locator("#step h2")).to_be_focused()
    assert page.evaluate("sessionStorage.getItem('plateau-token')") is None
    assert page.locator(".entry").count() == 0
    page.locator("#step .primary").click()
    expect(page.locator("#step .question").first).to_be_visible()


def test_news_is_announced_and_then_cleared(page: Page) -> None:
    page.evaluate(HEAR)
    press(page, command(page, "why"))
    shown = page.locator(".entry.say").last.locator("p").first.inner_text()
    assert any(shown in text for text in page.evaluate("heard"))
    expect(page.locator("#live")).to_be_empty()


def test_without_its_words_the_page_gives_the_clinics_number(context: BrowserContext, base_url: str) -> None:
    page = context.new_page()
    page.route("**/api/words", lambda route: route.abort())
    page.goto(base_url)
    expect(page.locator("plateau-chat .cannot-start")).to_be_visible()
    expect(page.locator("plateau-chat .cannot-start")).to_contain_text("call the clinic")
