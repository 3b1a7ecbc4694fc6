"""What was said and filled in survives: reload, no network, a restarted server, two tabs, a locked phone."""

from __future__ import annotations

import pytest
from places import Served, Watch
from playwright.sync_api import Browser, BrowserContext, Page, Request, Route, expect
from steps import TURN, answer, body_of, command, fill, has, main_button, place, press, say, settle, walk

VISIBLE = "document.dispatchEvent(new Event('visibilitychange'))"


def sent_ids(page: Page) -> list[str]:
    """The ids of the turns that the page sends from now on."""
    ids: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith("/turn"):
            ids.append(body_of(request)["id"])

    page.on("request", note)
    return ids


def fill_screen(page: Page) -> None:
    for question in page.locator("#step .question").all():
        fill(question)


# ---- reload


def test_a_reload_keeps_the_conversation_so_far(page: Page) -> None:
    answer(page)
    say(page, "why do you ask?")
    before, shown = place(page), page.locator("#log").inner_text()
    page.reload()
    expect(page.locator("#step")).to_have_attribute("data-id", before)
    assert page.locator("#log").inner_text() == shown
    press(page, command(page, "why"))
    assert page.locator(".entry.patient").count() == 3


def test_a_reload_keeps_what_is_filled_in_and_typed(page: Page) -> None:
    walk(page, has(".nprs"))
    page.locator("#step .nprs").first.locator("[value='7']").check()
    page.locator("#say-text").fill("it hurts at ni")
    page.reload()
    expect(page.locator("#step .nprs").first.locator("[value='7']")).to_be_checked()
    expect(page.locator("#say-text")).to_have_value("it hurts at ni")


@pytest.mark.usefixtures("network_trouble")
def test_a_reload_while_an_answer_is_on_its_way_sends_it_once(page: Page) -> None:
    ids = sent_ids(page)
    before = place(page)
    fill_screen(page)
    # It arrives, and its reply is lost.
    page.route(TURN, lambda route: (route.fetch(), route.abort()))
    main_button(page).click()
    expect(page.locator("#trouble button")).to_be_visible()
    page.unroute(TURN)
    page.reload()
    expect(page.locator("#step")).not_to_have_attribute("data-id", before)
    settle(page)
    assert len(set(ids)) == 1
    expect(page.locator("#trouble")).to_be_empty()


def test_a_browser_without_storage_can_still_be_used(context: BrowserContext, base_url: str) -> None:
    context.add_init_script(
        "Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('', 'SecurityError'); } })"
    )
    page = context.new_page()
    page.goto(base_url)
    page.locator("#step .question").first.wait_for()
    before = place(page)
    answer(page)
    assert place(page) != before


def test_what_is_typed_while_a_turn_is_on_its_way_stays(page: Page) -> None:
    held: list[Route] = []
    page.route(TURN, lambda route: held.append(route))
    page.locator("#say-text").fill("my knee hurts")
    page.locator("#say-text").press("Enter")
    page.wait_for_timeout(100)
    page.locator("#say-text").fill("and I have crushing chest pain")
    page.locator("#say-text").press("Enter")
    held[0].continue_()
    settle(page)
    expect(page.locator("#say-text")).to_have_value("and I have crushing chest pain")
    page.unroute(TURN)
    with page.expect_response(TURN):
        page.locator("#say-text").press("Enter")
    expect(page.locator(".entry.emergency")).to_be_visible()


@pytest.mark.usefixtures("network_trouble")
def test_what_is_changed_after_a_failure_is_not_sent_as_it_was(page: Page, context: BrowserContext) -> None:
    fill_screen(page)
    context.set_offline(True)
    main_button(page).click()
    expect(page.locator("#trouble button")).to_be_visible()
    page.locator("#step [value=other]").check()
    expect(page.locator("#trouble")).to_be_empty()
    context.set_offline(False)
    expect(page.locator("#network")).to_be_empty()
    with page.expect_request(TURN) as sent:
        press(page, main_button(page))
    assert body_of(sent.value)["answers"]["for_whom"] == "other"


def test_a_slow_double_press_passes_over_nothing(page: Page) -> None:
    walk(page, has("[data-question=better]"))
    press(page, command(page, "back"))
    answer(page)
    before = place(page)
    main_button(page).click()
    page.wait_for_timeout(300)
    settle(page)
    assert place(page) == before


# ---- no network


@pytest.mark.usefixtures("network_trouble")
def test_offline_it_says_so_and_sends_once_when_the_network_is_back(page: Page, context: BrowserContext) -> None:
    before = place(page)
    fill_screen(page)
    context.set_offline(True)
    expect(page.locator("#network")).to_contain_text("You are offline")
    ids = sent_ids(page)
    main_button(page).click()
    expect(page.locator("#trouble")).to_contain_text("We send it as soon as you are back online")
    assert place(page) == before
    context.set_offline(False)
    expect(page.locator("#step")).not_to_have_attribute("data-id", before)
    expect(page.locator("#trouble")).to_be_empty()
    expect(page.locator("#network")).to_be_empty()
    expect(page.locator(".entry.patient")).to_have_count(1)
    assert len(set(ids)) == 1


@pytest.mark.usefixtures("network_trouble")
def test_a_phone_that_is_unlocked_again_sends_what_got_lost(page: Page) -> None:
    before = place(page)
    fill_screen(page)
    page.route(TURN, lambda route: route.abort())
    main_button(page).click()
    expect(page.locator("#trouble button")).to_be_visible()
    page.unroute(TURN)
    page.evaluate(VISIBLE)
    expect(page.locator("#step")).not_to_have_attribute("data-id", before)
    expect(page.locator(".entry.patient")).to_have_count(1)


@pytest.mark.usefixtures("network_trouble")
def test_help_can_be_opened_without_a_network(page: Page, context: BrowserContext) -> None:
    context.set_offline(True)
    page.locator("#open-help").click()
    expect(page.locator("#help a[href='tel:911']").first).to_be_visible()


@pytest.mark.usefixtures("network_trouble")
def test_a_page_opened_without_its_server_starts_when_it_is_back(context: BrowserContext, base_url: str) -> None:
    page = context.new_page()
    page.route("**/api/*", lambda route: route.abort())
    page.goto(base_url)
    expect(page.locator("plateau-chat .cannot-start")).to_be_visible()
    page.unroute("**/api/*")
    page.evaluate(VISIBLE)
    expect(page.locator("#step .question").first).to_be_visible()


# ---- the server


@pytest.mark.usefixtures("network_trouble")
def test_a_server_that_restarts_loses_nothing(page: Page, served: Served) -> None:
    answer(page)
    answer(page)
    before = place(page)
    fill_screen(page)
    served.stop()
    main_button(page).click()
    again = page.locator("#trouble button")
    expect(again).to_be_visible(timeout=10_000)
    assert place(page) == before
    served.start()
    press(page, again)
    assert place(page) != before
    expect(page.locator(".entry.patient")).to_have_count(3)


@pytest.mark.usefixtures("network_trouble")
def test_a_short_absence_of_the_server_is_not_even_seen(page: Page) -> None:
    before, failures = place(page), iter([True, True])

    def fail_twice(route: Route) -> None:
        if next(failures, False):
            route.fulfill(status=502, body="-")
        else:
            route.continue_()

    page.route(TURN, fail_twice)
    answer(page)
    assert place(page) != before
    assert next(failures, None) is None
    expect(page.locator("#trouble")).to_be_empty()


# ---- two tabs


def twin_of(page: Page) -> Page:
    """The same conversation in a second tab, as a browser makes one when a tab is duplicated."""
    with page.expect_popup() as second:
        page.evaluate("open(location.href)")
    second.value.locator("#step .question").first.wait_for()
    return second.value


@pytest.mark.usefixtures("network_trouble")
def test_an_old_tab_answers_nothing_by_mistake(page: Page) -> None:
    walk(page, has(".nprs"))
    other = twin_of(page)
    answer(page)
    now, count = place(page), page.locator(".entry.patient").count()
    fill_screen(other)
    main_button(other).click()
    expect(other.locator(".entry.notice")).to_contain_text("perhaps in another tab")
    expect(other.locator("#step")).to_have_attribute("data-id", now)
    # Both go on from there; the second is told again.
    answer(other)
    assert place(other) != now
    assert page.locator(".entry.patient").count() == count


@pytest.mark.usefixtures("network_trouble")
def test_danger_said_in_an_old_tab_is_taken(page: Page) -> None:
    answer(page)
    other = twin_of(page)
    answer(page)
    other.locator("#say-text").fill("I have crushing chest pain and cannot breathe")
    other.locator("#say button").click()
    expect(other.locator(".entry.emergency a[href='tel:911']")).to_be_visible()
    expect(other.locator("#trouble")).to_be_empty()


def test_a_tab_that_is_looked_at_again_shows_where_the_conversation_is(page: Page) -> None:
    answer(page)
    page.clock.install()
    other = twin_of(page)
    answer(other)
    page.clock.fast_forward(10_000)
    page.evaluate(VISIBLE)
    expect(page.locator("#step")).to_have_attribute("data-id", place(other))
    expect(page.locator(".entry.notice")).to_contain_text("perhaps in another tab")


@pytest.mark.usefixtures("network_trouble")
def test_answers_deleted_in_one_tab_are_not_shown_in_the_other(page: Page) -> None:
    say(page, "my knee hurts")
    page.clock.install()
    other = twin_of(page)
    other.locator("#open-forget").click()
    other.locator("#confirm-yes").click()
    expect(other.locator("#step h2")).to_have_text("Your answers are deleted.")
    page.clock.fast_forward(10_000)
    page.evaluate(VISIBLE)
    expect(page.locator(".entry.notice")).to_contain_text("has ended")
    expect(page.locator(".entry.patient")).to_have_count(0)


@pytest.mark.usefixtures("network_trouble")
def test_a_deletion_confirmed_while_a_turn_is_on_its_way_is_done_after_it(page: Page) -> None:
    held: list[Route] = []
    page.route(TURN, lambda route: held.append(route))
    fill_screen(page)
    main_button(page).click()
    page.locator("#open-forget").click()
    page.locator("#confirm-yes").click()
    page.wait_for_timeout(100)
    held[0].continue_()
    expect(page.locator("#step h2")).to_have_text("Your answers are deleted.")


@pytest.mark.usefixtures("network_trouble")
def test_what_could_not_be_deleted_is_not_called_deleted(page: Page) -> None:
    page.route("**/api/forget", lambda route: route.fulfill(status=401, json={"error": {"code": "bad_token"}}))
    page.locator("#open-forget").click()
    page.locator("#confirm-yes").click()
    expect(page.locator("#trouble")).to_contain_text("could not delete")


# ---- a shared computer


def test_back_shows_nothing_of_a_conversation_that_was_left(remembering_browser: Browser, base_url: str) -> None:
    page = remembering_browser.new_page()
    page.route("https://www.wikipedia.org/**", lambda route: route.fulfill(body="elsewhere"))
    page.goto(f"{base_url}demo")
    page.locator("#launcher").click()
    page.locator("#step .question").first.wait_for()
    say(page, "my knee hurts")
    page.goto(f"{base_url}demo?next")
    page.locator("#quick-exit").click()
    page.wait_for_url("https://www.wikipedia.org/**")
    page.go_back(wait_until="commit")
    page.locator("#launcher").wait_for()
    assert page.locator(".entry.patient").count() == 0
    page.close()


def test_leaving_quickly_leaves_nothing_behind(page: Page, watch: Watch, base_url: str) -> None:
    away = "https://www.wikipedia.org/"
    watch.hosts += (away,)
    page.route(f"{away}**", lambda route: route.fulfill(body="elsewhere"))
    say(page, "my knee hurts")
    with page.expect_navigation():
        page.locator("#quick-exit").click()
    assert page.url == away
    page.go_back()
    assert page.url == "about:blank"
    page.goto(base_url)
    page.locator("#step .question").first.wait_for()
    assert page.locator(".entry.patient, .entry.notice").count() == 0
