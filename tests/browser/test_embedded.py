"""The chat on a clinic's own website: another origin, that site's security policy, the lines of docs/embed.md."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from places import CLINIC_KEY, ClinicSite
from playwright.sync_api import BrowserContext, Page, expect
from steps import answer, has, is_screen, kind_of, say, sideways, tab_to, too_small, violations, walk

ROOT = Path(__file__).resolve().parents[2]
EMBED = (ROOT / "docs" / "embed.md").read_text("utf-8")
CHAT = "https://chat.clinic.example/"
SESSION = "**/api/session"
PAGE = (
    '<!doctype html><html lang="en" {attributes}><head><meta name="viewport" content="width=device-width">'
    "<title>A clinic</title></head><body><main><h1>A clinic</h1><p><a href='/next'>Next page</a></p></main>"
    "{chat}</body></html>"
)
LOOKS: dict[str, dict[str, Any]] = {
    "phone, light": {"color_scheme": "light"},
    "desktop, dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 900}},
}
WIDE: dict[str, Any] = {"viewport": {"width": 1200, "height": 900}}
PHONE: dict[str, Any] = {}


def fenced(language: str, containing: str) -> str:
    """The block of docs/embed.md that holds some words, as a clinic would paste it."""
    blocks = re.findall(rf" *```{language}\n(.*?) *```", EMBED, re.DOTALL)
    [found] = [block for block in blocks if containing in block]
    return found


@pytest.fixture
def site(clinic_site: ClinicSite, base_url: str) -> ClinicSite:
    """The clinic's site with the lines of docs/embed.md, under the policy that it names and nothing more."""
    put_up(clinic_site, base_url, fenced("html", "plateau-chat.js"))
    return clinic_site


def put_up(site: ClinicSite, base_url: str, chat: str, attributes: str = "", policy: str = "") -> None:
    site.html = PAGE.format(chat=chat.replace(CHAT, base_url), attributes=attributes)
    needed = fenced("text", "script-src").replace(CHAT.rstrip("/"), base_url.rstrip("/")).strip()
    site.policy = f"default-src 'none'; base-uri 'none'; form-action 'none'; {needed}; {policy}"


def open_bubble(tab: Page, site: ClinicSite) -> None:
    tab.goto(site.url)
    tab.locator("#launcher").click()
    expect(tab.locator("#step .question").first).to_be_visible()
    expect(tab.locator("#step h2")).to_be_focused()


def is_modal(tab: Page) -> bool:
    return bool(tab.locator("#panel").evaluate("panel => panel.matches(':modal')"))


def becomes_modal(tab: Page, wanted: bool) -> bool:
    """Wait for it; the site's policy lets no test put a waiting script into the page."""
    for _ in range(50):
        if is_modal(tab) is wanted:
            return True
        tab.wait_for_timeout(100)
    return False


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_the_whole_re_evaluation_in_the_bubble(tab: Page, site: ClinicSite) -> None:
    tab.goto(site.url)
    expect(tab.locator("#launcher")).to_be_visible()
    assert violations(tab) == ""
    tab.locator("#launcher").click()
    expect(tab.locator("#step .question").first).to_be_visible()
    seen: set[str] = set()

    def check(tab: Page) -> None:
        if (kind := kind_of(tab)) not in seen:
            seen.add(kind)
            assert violations(tab) == ""
        assert not sideways(tab)
        assert too_small(tab) == []

    walk(tab, is_screen("plan"), check)
    expect(tab.locator("#pictures img").first).to_be_visible()
    assert tab.locator("#pictures img").first.evaluate("img => img.complete && img.naturalWidth > 0")
    tab.locator("#keep .primary").click()
    expect(tab.locator("#kept-plan")).to_have_attribute("href", re.compile(r"^http://127\.0\.0\.1:\d+/plan/"))
    assert violations(tab) == ""


def test_nothing_begins_before_the_bubble_is_opened(tab: Page, site: ClinicSite) -> None:
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(site.url)
    expect(tab.locator("#launcher")).to_be_visible()
    assert [url for url in asked if "/api/" in url] == [url for url in asked if url.endswith("/api/words")]
    assert tab.evaluate("Object.keys(sessionStorage).length + Object.keys(localStorage).length") == 0
    assert tab.evaluate("document.cookie") == ""


@pytest.mark.parametrize("look", [WIDE])
def test_on_a_wide_screen_the_bubble_traps_nobody(tab: Page, site: ClinicSite) -> None:
    open_bubble(tab, site)
    assert not is_modal(tab)
    tab_to(tab, "main a")
    tab.locator("#say-text").focus()
    tab.keyboard.press("Escape")
    expect(tab.locator("#panel")).to_be_hidden()
    expect(tab.locator("#launcher")).to_be_focused()
    expect(tab.locator("#launcher")).to_have_text("Go on with your check")


def test_on_a_phone_the_bubble_covers_the_page(tab: Page, site: ClinicSite) -> None:
    open_bubble(tab, site)
    assert is_modal(tab)
    box = tab.locator("#panel").bounding_box()
    assert box == {"x": 0, "y": 0, "width": 360, "height": 740}
    tab.locator("#close").click()
    expect(tab.locator("#launcher")).to_be_focused()


def test_escape_in_a_dialog_closes_only_that(tab: Page, site: ClinicSite) -> None:
    open_bubble(tab, site)
    tab.locator("#open-help").click()
    expect(tab.locator("#help")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.locator("#help")).to_be_hidden()
    expect(tab.locator("#panel")).to_be_visible()


def test_closed_and_opened_again_it_goes_on(tab: Page, site: ClinicSite) -> None:
    open_bubble(tab, site)
    answer(tab)
    before = tab.locator("#step").get_attribute("data-id")
    tab.locator("#close").click()
    tab.locator("#launcher").click()
    expect(tab.locator("#step")).to_have_attribute("data-id", before or "")
    expect(tab.locator(".entry.patient")).to_have_count(1)


@pytest.mark.parametrize("look", [WIDE])
def test_on_the_clinics_next_page_it_stands_open_as_it_was(tab: Page, site: ClinicSite) -> None:
    open_bubble(tab, site)
    answer(tab)
    before = tab.locator("#step").get_attribute("data-id")
    tab.goto(f"{site.url}next")
    expect(tab.locator("#step")).to_have_attribute("data-id", before or "")
    expect(tab.locator("#panel")).to_be_visible()
    assert tab.evaluate("document.activeElement === document.body")


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_an_emergency_covers_the_clinics_page(tab: Page, site: ClinicSite) -> None:
    open_bubble(tab, site)
    say(tab, "I have crushing chest pain and cannot breathe")
    assert is_modal(tab)
    expect(tab.locator(".entry.emergency h2")).to_be_focused()
    assert tab.locator("#panel").bounding_box() == {"x": 0, "y": 0, **(tab.viewport_size or {})}
    expect(tab.locator(".entry.emergency h2")).to_be_in_viewport(ratio=1)
    expect(tab.locator(".entry.emergency a[href^='tel:']").first).to_be_in_viewport(ratio=1)
    assert violations(tab) == ""


@pytest.mark.parametrize("look", [{"viewport": {"width": 320, "height": height}} for height in (568, 256)], ids=str)
def test_on_the_smallest_window_the_emergency_stands_below_the_bar(tab: Page, site: ClinicSite) -> None:
    open_bubble(tab, site)
    say(tab, "I have crushing chest pain and cannot breathe")
    heading = tab.locator(".entry.emergency h2")
    expect(heading).to_be_focused()
    top = heading.evaluate(
        "one => { const { left, top, height } = one.getBoundingClientRect();"
        " return one.getRootNode().elementFromPoint(left + 5, top + height / 2) === one; }"
    )
    assert top


@pytest.mark.parametrize("look", [WIDE])
def test_help_can_be_had_when_the_window_changes_its_size(tab: Page, site: ClinicSite) -> None:
    open_bubble(tab, site)
    tab.locator("#open-help").click()
    tab.set_viewport_size({"width": 390, "height": 740})
    assert becomes_modal(tab, True)
    expect(tab.locator("#help")).to_be_visible()
    tab.locator("#help .close button").click()
    tab.set_viewport_size({"width": 1200, "height": 900})
    assert becomes_modal(tab, False)
    expect(tab.locator("#panel")).to_be_visible()


@pytest.mark.parametrize("look", [WIDE])
@pytest.mark.usefixtures("network_trouble")
def test_a_late_reply_does_not_take_the_focus_from_the_clinics_page(tab: Page, site: ClinicSite) -> None:
    open_bubble(tab, site)
    held: list[Any] = []
    tab.route("**/api/turn", lambda route: held.append(route))
    for question in tab.locator("#step .question").all():
        question.locator("input").first.check()
    tab.locator("#step .primary").click()
    tab.locator("main a").focus()
    held[0].continue_()
    expect(tab.locator("#step")).not_to_have_attribute("data-id", "start")
    expect(tab.locator("main a")).to_be_focused()


@pytest.mark.usefixtures("network_trouble")
def test_another_patient_at_this_computer_does_not_go_on_where_the_first_was(tab: Page, site: ClinicSite) -> None:
    def come_as(name: str) -> None:
        tab.goto(site.url)
        tab.locator("plateau-chat").evaluate("(chat, token) => { chat.patient = token; }", token(sub=name))
        tab.locator("#launcher").click()
        expect(tab.locator("#step .question").first).to_be_visible()

    come_as("first")
    say(tab, "my knee hurts")
    come_as("first")
    expect(tab.locator(".entry.patient")).to_have_count(1)
    come_as("second")
    expect(tab.locator(".entry.patient")).to_have_count(0)


@pytest.mark.usefixtures("network_trouble")
def test_a_site_that_is_not_among_the_origins_shows_the_clinics_number(tab: Page, site: ClinicSite) -> None:
    # The same server by another name is another origin.
    tab.goto(site.url.replace("127.0.0.1", "localhost"))
    expect(tab.locator("plateau-chat p")).to_be_visible()


def test_a_fixed_version_runs_under_its_hash_and_no_other(tab: Page, site: ClinicSite, base_url: str) -> None:
    own = tab.request.get(base_url).text()
    found = re.search(r'src="/?(component/[^"]+)" integrity="([^"]+)"', own)
    assert found
    path, integrity = found.groups()
    example = fenced("html", "VERSION-HASH").replace("component/plateau-chat-VERSION-HASH.js", path)
    element = "<plateau-chat><p>Call +1 555 0100</p></plateau-chat>"
    put_up(site, base_url, example.replace("sha384-...", integrity) + element)
    tab.goto(site.url)
    expect(tab.locator("#launcher")).to_be_visible()


@pytest.mark.parametrize("path", ["", "demo"])
def test_without_scripts_the_clinics_number_is_there(context: BrowserContext, base_url: str, path: str) -> None:
    browser = context.browser
    assert browser
    plain = browser.new_context(java_script_enabled=False)
    page = plain.new_page()
    page.goto(f"{base_url}{path}")
    expect(page.locator("a[href='tel:+15550100']").last).to_be_visible()
    plain.close()


def token(**claims: Any) -> str:
    given = {"sub": "patient-4711", "aud": "plateau", "exp": time.time() + 300, **claims}
    return jwt.encode(given, CLINIC_KEY, algorithm="HS256")


@pytest.mark.parametrize(
    "claims, notice", [({}, "you need no code"), ({"exp": 1}, "could not tell who you are")], ids=["good", "ended"]
)
@pytest.mark.usefixtures("network_trouble")
def test_the_clinics_token_tells_who_the_patient_is(
    tab: Page, site: ClinicSite, claims: dict[str, Any], notice: str
) -> None:
    tab.goto(site.url)
    tab.locator("plateau-chat").evaluate("(chat, token) => { chat.patient = async () => token; }", token(**claims))
    tab.locator("#launcher").click()
    expect(tab.locator(".entry.notice")).to_contain_text(notice)
    expect(tab.locator("#step .question").first).to_be_visible()
    assert tab.locator("#come-back").count() == (1 if claims else 0)


def test_a_clinics_colours_and_font_are_taken(tab: Page, site: ClinicSite, base_url: str) -> None:
    rules = fenced("css", "--plateau-brand").replace("light-dark(#0b4f6c, #8fd0ee)", "rgb(1, 2, 3)")
    put_up(
        site, base_url, f"<style>{rules}</style>{fenced('html', 'plateau-chat.js')}", policy="style-src 'unsafe-inline'"
    )
    tab.goto(site.url)
    launcher = tab.locator("#launcher")
    expect(launcher).to_have_css("background-color", "rgb(1, 2, 3)")
    expect(launcher).to_have_css("font-family", "Georgia, serif")


@pytest.mark.parametrize("look", [PHONE, WIDE], ids=["phone", "desktop"])
def test_a_right_to_left_page_is_mirrored(tab: Page, site: ClinicSite, base_url: str) -> None:
    put_up(site, base_url, fenced("html", "plateau-chat.js"), attributes='dir="rtl"')
    tab.goto(site.url)
    box = tab.locator("#launcher").bounding_box()
    assert box and box["x"] < 40
    tab.locator("#launcher").click()
    expect(tab.locator("#step .question").first).to_be_visible()
    walk(tab, has(".nprs"))
    assert not sideways(tab)
    first, last = (tab.locator(f"#step .scale >> nth=0 >> label >> nth={index}").bounding_box() for index in (0, 5))
    assert first and last and first["x"] > last["x"]


def test_on_paper_the_clinics_page_has_no_bubble(tab: Page, site: ClinicSite) -> None:
    open_bubble(tab, site)
    tab.emulate_media(media="print")
    expect(tab.locator("#panel")).to_be_hidden()
