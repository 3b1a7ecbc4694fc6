"""What leaves the report: HTML that runs nothing, a tagged PDF whatever was written, a plain calendar entry."""

from __future__ import annotations

import datetime
import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import icalendar
import pytest
from test_plan_page import BEFORE, DAY, LINKS, PLACE, RECORDS, STEADY, TOLD, WORDS, Record, visit_of

from plateau.report import (
    Links,
    Visit,
    calendar,
    notice_html,
    plan_html,
    plan_page,
    plan_pdf,
    summary,
    summary_html,
    summary_pdf,
)

VOID = {"meta", "link", "br", "hr", "img", "input", "circle", "rect", "line", "path", "polygon"}
NOW = datetime.datetime(2026, 11, 28, 12, 0, tzinfo=datetime.UTC)
OFFERED = Links("/pages/report.css", pdf="plan.pdf", calendar="plan.ics", until="1 December 2026")
NASTY = {
    "typst import": '#import "x"',
    "typst code": '#let x = 1; #read("/etc/passwd") #panic("no")',
    "typst markup": "*bold* _u_ $x^2$ @ref <label> `raw` = title \\ // comment",
    "unclosed": "*a $b [c {d ```",
    "placeholders": "{because} {day} %s {{ text }} {% if %}",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)><b>&amp;\"'",
    "html comment": "<!-- </section> ]]> -->",
    "svg": "</title></svg><svg onload=alert(1)>",
    "control characters": "a\x01b\x07c\x1b[31md\x7fe\x85f",
    "emoji": "🏃\u200d♀️ 👍🏽 hurts",
    "right to left": "שלום \u202eעולם مرحبا",
    "no spaces": "漢字" * 50,
    "combining": "Z\u0351\u036b\u0343a\u0334l\u0335g\u0336o" * 20,
    "line ends": "a\r\nb\u2028c\u2029d",
    "lone surrogate": "a\ud800b",
}


class Reader(HTMLParser):
    """Reads a page and keeps what matters; complains where a tag is not closed as it was opened."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} has an attribute twice"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(made: str) -> Reader:
    reader = Reader()
    reader.feed(made)
    reader.close()
    assert reader.open == []
    return reader


def visits_of(record: Record, returning: bool = False) -> list[Visit]:
    if not returning:
        return [visit_of(record)]
    before = visit_of(record, day=BEFORE)
    return [before, visit_of(record, before=before)]


def pages_of(visits: list[Visit], links: Links = OFFERED) -> list[str]:
    return [
        plan_html(plan_page(visits, PLACE, WORDS), PLACE, WORDS, links),
        summary_html(summary(visits, PLACE, WORDS), PLACE, WORDS, links),
    ]


def with_words(text: str) -> Record:
    activities = [{"activity": text, "score": 3}, {"activity": f"{text}.", "score": 9}]
    return TOLD | {name: text for name in ("better", "worse", "goal", "diagnosis_given")} | {"activities": activities}


SAMPLES = {
    "told": visits_of(TOLD | {"side": "left", "pain_worst": 8}),
    "returning": visits_of(TOLD, returning=True),
    "emergency": visits_of(RECORDS["S15"]),
    "nothing told": visits_of({}),
    "soon": visits_of(STEADY | {"red_flags": ["inflammatory"]}),
    **{name: visits_of(with_words(text)) for name, text in NASTY.items()},
}
by_sample = pytest.mark.parametrize("visits", SAMPLES.values(), ids=SAMPLES)


# ---------------------------------------------------------------- HTML


@by_sample
def test_a_page_is_well_formed_and_runs_nothing(visits: list[Visit]) -> None:
    for made in (*pages_of(visits), *pages_of(visits, LINKS)):
        assert made.startswith("<!doctype html>")
        assert made.encode()
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", made)
        reader = read(made)
        assert (reader.tags[0][0], reader.tags[0][1].get("lang")) == ("html", "en")
        names = [tag for tag, _ in reader.tags]
        assert not {"script", "style", "iframe", "img", "form", "object", "embed", "base"} & set(names)
        assert [names.count(tag) for tag in ("head", "body", "main", "h1")] == [1, 1, 1, 1]
        ids = [attributes["id"] for _, attributes in reader.tags if attributes.get("id")]
        assert len(ids) == len(set(ids))
        for tag, attributes in reader.tags:
            assert "style" not in attributes
            assert not [name for name in attributes if name.startswith("on")]
            for name in ("aria-labelledby", "aria-describedby"):
                assert set((attributes.get(name) or "").split()) <= set(ids), tag


@by_sample
def test_a_page_reaches_out_to_the_booking_link_only(visits: list[Visit]) -> None:
    for made in pages_of(visits):
        for tag, attributes in read(made).tags:
            for name, value in attributes.items():
                if name in ("href", "src", "action", "xlink:href", "srcset", "data", "poster"):
                    near = re.fullmatch(r"/?[\w/.-]+", value or "")
                    assert near or value == PLACE.booking_link, f"{tag} {name}={value}"
                if name not in ("href", "xmlns"):
                    assert "://" not in (value or "")
        assert re.findall(r'name="robots" content="noindex, nofollow"', made)


@by_sample
def test_headings_go_down_one_step_at_a_time(visits: list[Visit]) -> None:
    for made in pages_of(visits):
        levels = [int(tag[1]) for tag, _ in read(made).tags if re.fullmatch(r"h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))


@by_sample
def test_every_picture_has_its_words(visits: list[Visit]) -> None:
    for made in pages_of(visits):
        for svg in re.findall(r"<svg.*?</svg>", made, re.DOTALL):
            names = [tag for tag, _ in read(svg).tags]
            assert names[:3] == ["svg", "title", "desc"]
            assert all(re.search(rf"<{tag}[^>]*>[^<]+</{tag}>", svg) for tag in ("title", "desc"))


@pytest.mark.parametrize("name", ["html", "html comment", "svg", "placeholders", "typst markup"])
def test_the_patients_words_stand_as_they_were_written(name: str) -> None:
    text = NASTY[name]
    plan, short = pages_of(SAMPLES[name])
    for made in (plan, short):
        assert text not in made or "<" not in text
    said = " ".join(" ".join(read(plan).text).split())
    assert f"“{text}”" in said
    assert html.escape(text, quote=False).split()[0] in plan.replace("&#34;", '"').replace("&#39;", "'")
    assert text.split()[0] in " ".join(read(short).text)


def test_links_are_there_where_they_are_offered() -> None:
    visits = SAMPLES["told"]
    plan, short = pages_of(visits)
    assert {'href="plan.pdf"', 'href="plan.ics"', f'href="{PLACE.booking_link}"'} <= set(
        re.findall(r'href="\S+"', plan)
    )
    assert "1 December 2026" in plan
    assert 'href="plan.pdf"' in short
    bare = plan_html(plan_page(visits, PLACE, WORDS), replace(PLACE, booking_link=None), WORDS, LINKS)
    assert re.findall(r'href="(\S+)"', bare) == [LINKS.style]


def test_an_unsigned_page_says_so() -> None:
    page = plan_page(SAMPLES["told"], PLACE, WORDS)
    unsigned = WORDS.get("report.page.unsigned")
    assert unsigned in plan_html(page, PLACE, WORDS, LINKS)
    assert unsigned not in plan_html(page, replace(PLACE, signed_by="Dr A. Example"), WORDS, LINKS)


def test_a_clinic_is_escaped() -> None:
    place = replace(PLACE, clinic="<b>Bones & Co</b>", phone="<i>1</i>", booking_link='https://x.example/?a="b"&c')
    page = plan_page(SAMPLES["told"], place, WORDS)
    made = plan_html(page, place, WORDS, LINKS)
    assert "<b>" not in made
    assert "<i>" not in made
    assert ("a", place.booking_link) in [(tag, attributes.get("href")) for tag, attributes in read(made).tags]


def test_a_link_that_has_ended_has_its_page() -> None:
    reader = read(notice_html("gone", WORDS, "/pages/report.css"))
    assert reader.tags[0][1]["lang"] == "en"
    assert WORDS.get("report.gone.title") in " ".join(reader.text)
    assert [attributes["href"] for _, attributes in reader.tags if "href" in attributes] == ["/pages/report.css"]


# ---------------------------------------------------------------- PDF


@by_sample
def test_a_pdf_is_made_and_tagged(visits: list[Visit]) -> None:
    page, short = plan_page(visits, PLACE, WORDS), summary(visits, PLACE, WORDS)
    for made in (plan_pdf(page, PLACE, WORDS), summary_pdf(short, PLACE, WORDS)):
        assert made.startswith(b"%PDF-")
        assert b"StructTreeRoot" in made
        assert re.search(rb"/Lang\s*\(en", made)
        assert b"/JavaScript" not in made
        assert b"/URI" not in made


# ---------------------------------------------------------------- calendar


@pytest.mark.parametrize("name", ["told", "returning", "emergency", "html", "right to left", "soon"])
def test_the_calendar_has_the_day_and_nothing_of_the_patient(name: str) -> None:
    visit = SAMPLES[name][-1]
    raw = calendar(visit, PLACE, WORDS, uid="abc@clinic.example", now=NOW)
    read_back = icalendar.Calendar.from_ical(raw)
    [event] = read_back.walk("VEVENT")
    assert event.decoded("dtstart") == visit.check_again > DAY
    assert event.decoded("dtend") == visit.check_again + datetime.timedelta(days=1)
    assert event.decoded("dtstamp") == NOW
    assert str(event["uid"]) == "abc@clinic.example"
    assert len(read_back.walk("VALARM")) == 1
    assert raw.replace(b"\r\n", b"").count(b"\n") == 0
    text = raw.decode().replace("\r\n ", "").replace(PLACE.clinic, "").lower()
    health = {"pain", "exercise", "doctor", "therap", "injur", "surg", "medic", "emergency", "scan", "nerve", "plan"}
    regions = {title.lower() for title in WORDS.tree("questions.body_region.options").values()} - {"back"}
    titles = {texts["title"].lower() for texts in WORDS.tree("plan.recommendations").values()}
    assert not [word for word in health if word in text]
    assert not [word for word in (*regions, *titles) if re.search(rf"\b{re.escape(word)}\b", text)]


def test_a_clinic_with_commas_stays_one_field() -> None:
    place = replace(PLACE, clinic="Bones, Joints; & Co\nBEGIN:VEVENT")
    raw = calendar(SAMPLES["told"][-1], place, WORDS, uid="1", now=NOW)
    assert len(icalendar.Calendar.from_ical(raw).walk("VEVENT")) == 1
