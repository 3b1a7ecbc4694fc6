"""From the first page to the last: by keyboard alone, on the body to tap on, and always in the same place."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from steps import (
    NUMBERS,
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
    settle,
    tab_to,
    violations,
    walk,
)

DESKTOP: dict[str, Any] = {"viewport": {"width": 1200, "height": 900}}


def body_question(page: Page) -> Locator:
    return page.locator("[data-question=body_region]")


def region(page: Page, view: str, name: str, side: str) -> Locator:
    return body_question(page).locator(f"figure:has-text('{view}') [data-region={name}][data-side='{side}']")


# ---- by keyboard


def by_keyboard(page: Page) -> None:
    """Answer a screen with Tab, Space, arrows and typing only."""
    for question in page.locator("#step .question").all():
        name, kind = question.get_attribute("data-question"), (question.get_attribute("class") or "").split()[1]
        inside = f"[data-question='{name}'] *"
        if kind == "activities":
            tab_to(page, f"#{name}-name-1")
            page.keyboard.type("climbing stairs")
            tab_to(page, f"#{name}-score-1")
            page.keyboard.press("4")
        elif kind in ("text", "number"):
            tab_to(page, f"{inside}:is(textarea, input[type=text])")
            page.keyboard.type(NUMBERS.get(name or "", "20") if kind == "number" else "walking up the hill")
        elif kind == "multi":
            # "None of these" is the last where there is one; without it, the first.
            boxes = question.locator("[type=checkbox]")
            wanted = "none" if question.locator("[value=none]").count() else boxes.first.get_attribute("value")
            tab_to(page, f"{inside}[value='{wanted}']")
            page.keyboard.press("Space")
        else:
            tab_to(page, f"{inside}[type=radio]")
            page.keyboard.press("Space")
    tab_to(page, "#step .primary")
    with page.expect_response(TURN):
        page.keyboard.press("Enter")
    settle(page)


def test_the_whole_re_evaluation_by_keyboard_alone(page: Page) -> None:
    for _ in range(45):
        if kind_of(page) == "plan":
            break
        by_keyboard(page)
        assert page.evaluate("document.querySelector('plateau-chat').shadowRoot.activeElement !== null")
    expect(page.locator(".plan h2").first).to_be_focused()
    tab_to(page, "#keep .primary")
    page.keyboard.press("Enter")
    expect(page.locator("#keep-heading")).to_be_focused()
    tab_to(page, "#kept-summary")


def test_the_skip_link_leads_to_the_question(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.locator(".skip-link")).to_be_focused()
    expect(page.locator(".skip-link")).to_be_in_viewport(ratio=1)
    page.keyboard.press("Enter")
    expect(page.locator("#step")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.locator("#step :focus").count() == 1


# ---- the body


@pytest.mark.parametrize("look", [{}, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize(
    "view, name, side, said",
    [
        ("Front", "knee", "left", "Knee, Left"),
        ("Back", "shoulder", "right", "Shoulder, Right"),
        ("Back", "lower_back", "", "Lower back"),
        ("Front", "neck", "", "Neck"),
    ],
)
def test_a_tap_on_the_body_is_the_answer_in_the_list(page: Page, view: str, name: str, side: str, said: str) -> None:
    walk(page, has("[data-question=body_region]"))
    region(page, view, name, side).first.click()
    expect(body_question(page).locator(f"input[value={name}]")).to_be_checked()
    expect(body_question(page).locator(".picked")).to_have_text(said)
    assert violations(page) == ""
    page.locator("[data-question=age_band] [value='65_plus']").check()
    with page.expect_request(TURN) as sent:
        press(page, main_button(page))
    answers = body_of(sent.value)["answers"]
    assert (answers["body_region"], answers.get("side", "")) == (name, side)
    expect(page.locator(".entry.patient").last).to_contain_text(said)
    assert page.locator("[data-question=side]").count() == 0


def test_the_patients_left_is_on_the_right_in_the_front_view_and_on_the_left_in_the_back_view(page: Page) -> None:
    walk(page, has("[data-question=body_region]"))
    for view, order in (("Front", ("right", "left")), ("Back", ("left", "right"))):
        boxes = [region(page, view, "knee", side).first.bounding_box() for side in order]
        assert boxes[0] and boxes[1] and boxes[0]["x"] < boxes[1]["x"]
        sides = body_question(page).locator(f"figure:has-text('{view}') .sides").inner_text()
        assert [word.lower() for word in sides.split()] == list(order)


def test_an_answer_from_the_list_shows_on_the_body_and_leaves_the_side_open(page: Page) -> None:
    walk(page, has("[data-question=body_region]"))
    region(page, "Front", "knee", "left").first.click()
    body_question(page).locator("input[value=hip]").check()
    expect(body_question(page).locator(".picked")).to_have_text("Hip or groin")
    marked = (
        body_question(page)
        .locator(".region.on")
        .evaluate_all("all => [...new Set(all.map((one) => one.dataset.region))]")
    )
    assert marked == ["hip"]
    fill(page.locator("[data-question=age_band]"))
    press(page, main_button(page))
    expect(page.locator("[data-question=side]")).to_be_visible()


def test_without_its_shapes_the_list_stands_alone(page: Page) -> None:
    page.route("**/api/figure", lambda route: route.fulfill(status=200, json=None))
    page.reload()
    page.locator("#step .question").first.wait_for()
    walk(page, has("[data-question=body_region]"))
    expect(body_question(page).locator(".body")).to_have_count(0)
    expect(body_question(page).locator("input[value=knee]")).to_be_visible()


# ---- always in the same place


@pytest.mark.parametrize("look", [{}, DESKTOP], ids=["phone", "desktop"])
def test_back_skip_why_and_help_stand_in_the_same_place_on_every_screen(page: Page) -> None:
    places: dict[str, set[tuple[float, float]]] = {}

    def note(page: Page) -> None:
        bar = page.locator("#step .toolbar.places")
        if not bar.count():
            return
        origin = bar.bounding_box()
        for name in ("back", "skip", "dont_know", "why", "human"):
            box = command(page, name).bounding_box() if command(page, name).count() else None
            if box and origin:
                places.setdefault(name, set()).add((round(box["x"] - origin["x"]), round(box["y"] - origin["y"])))
        box = page.locator("#open-help").bounding_box()
        assert box
        places.setdefault("help", set()).add((round(box["x"]), round(box["y"])))

    walk(page, is_screen("review"), note)
    assert set(places) == {"back", "skip", "dont_know", "why", "human", "help"}
    assert {name: len(found) for name, found in places.items()} == dict.fromkeys(places, 1)


def test_progress_tells_the_section_and_what_is_left(page: Page) -> None:
    left: list[int] = []

    def note(page: Page) -> None:
        shown = page.locator("#progress-text")
        if not shown.count():
            return
        text = shown.inner_text()
        assert re.search(r"Section \d of 7: \w+", text)
        found = re.search(r"(\d+) more page", text)
        left.append(int(found[1]) if found else 0)
        assert found or "Last page" in text

    walk(page, is_screen("review"), note)
    assert left[0] > 10
    assert left[-1] == 0
    # An answer may open a question or two; apart from that, it goes down.
    assert all(after <= before + 1 for before, after in pairwise(left))


@pytest.mark.parametrize("look", [{"viewport": {"width": 320, "height": 256}}], ids=["1280 at 400%"])
def test_at_400_percent_nothing_is_lost(page: Page) -> None:
    walk(page, has(".nprs"))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    before = place(page)
    answer(page)
    assert place(page) != before


def test_text_spacing_may_be_set_by_the_patient(page: Page) -> None:
    page.locator("plateau-chat").evaluate(
        """chat => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync("* { line-height: 1.5 !important; letter-spacing: 0.12em !important;"
                + " word-spacing: 0.16em !important } p { margin-block-end: 2em !important }");
            chat.shadowRoot.adoptedStyleSheets = [...chat.shadowRoot.adoptedStyleSheets, sheet];
        }"""
    )
    walk(page, has(".nprs"))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    clipped = page.locator("plateau-chat").evaluate(
        "chat => [...chat.shadowRoot.querySelectorAll('.button, .option')].filter(one => one.checkVisibility()"
        " && one.scrollWidth > one.clientWidth + 1).map(one => one.textContent)"
    )
    assert clipped == []
