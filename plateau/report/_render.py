"""Renders the content models as HTML pages, as PDF and as a calendar entry."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import icalendar
import jinja2
import typst

from plateau.content import Catalog

from ._page import PlanPage
from ._summary import Summary
from ._visit import Place, Visit

_EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f\u200d]+")
TEMPLATES = Path(__file__).parent / "templates"
STYLE = TEMPLATES / "report.css"
# What no page can show: control characters and halves of a character, which JSON lets through.
UNSOUND = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Links:
    """Where a page's own parts are, as paths below the clinic's address; None: not offered. `until` is written out."""

    style: str
    pdf: str | None = None
    calendar: str | None = None
    until: str | None = None


def plan_html(page: PlanPage, place: Place, words: Catalog, links: Links) -> str:
    """Return the patient's page."""
    made = environment().get_template("plan.html.j2").render(**_shared(place, words), page=page, links=links)
    return UNSOUND.sub("", made)


def summary_html(page: Summary, place: Place, words: Catalog, links: Links) -> str:
    """Return the therapist's page."""
    made = environment().get_template("summary.html.j2").render(**_shared(place, words), page=page, links=links)
    return UNSOUND.sub("", made)


def notice_html(name: str, words: Catalog, style: str) -> str:
    """Return the page that stands where no plan can: gone (the link has ended) or busy (too many requests)."""
    template = environment().get_template("notice.html.j2")
    return template.render(notice=words.tree(f"report.{name}"), style=style, language=words.language)


def plan_pdf(page: PlanPage, place: Place, words: Catalog) -> bytes:
    """Return the patient's plan as a tagged PDF."""
    return _pdf("plan.typ", {"page": asdict(page), **_told(place, words)})


def summary_pdf(page: Summary, place: Place, words: Catalog) -> bytes:
    """Return the therapist's summary as a tagged PDF of one page."""
    return _pdf("summary.typ", {"page": asdict(page), **_told(place, words)})


def calendar(visit: Visit, place: Place, words: Catalog, *, uid: str, now: datetime.datetime) -> bytes:
    """Return an .ics file (RFC 5545) with the day to look again; it names the clinic and nothing of the patient."""
    event = icalendar.Event()
    event.add("uid", uid)
    event.add("dtstamp", now)
    event.add("dtstart", visit.check_again)
    event.add("dtend", visit.check_again + datetime.timedelta(days=1))
    event.add("summary", words.get("report.check.event"))
    event.add("description", words.get("report.check.event_text", clinic=place.clinic))
    alarm = icalendar.Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", words.get("report.check.event"))
    alarm.add("trigger", datetime.timedelta(hours=9))
    event.add_component(alarm)
    made = icalendar.Calendar()
    made.add("prodid", "-//Plateau//progress check//EN")
    made.add("version", "2.0")
    made.add_component(event)
    return bytes(made.to_ical())


def _shared(place: Place, words: Catalog) -> dict[str, Any]:
    return {"place": place, "words": words, "text": words.tree("report.page"), "language": words.language}


def _told(place: Place, words: Catalog) -> dict[str, Any]:
    text = dict(words.tree("report.page"))
    text["for_clinic"] = words.get("report.page.for_clinic", clinic=place.clinic)
    text["contact"] = words.get("report.page.contact", clinic=place.clinic, phone=place.phone)
    return {"text": text, "language": words.language, "signed": place.signed_by is not None}


@cache
def environment() -> jinja2.Environment:
    """Return what all pages are rendered with: everything is escaped, and a missing value is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _sound(node: Any) -> Any:
    if isinstance(node, str):
        return UNSOUND.sub("", node)
    if isinstance(node, Mapping):
        return {key: _sound(value) for key, value in node.items()}
    return [_sound(value) for value in node] if isinstance(node, list | tuple) else node


def _pdf(template: str, data: Mapping[str, Any]) -> bytes:
    # Everything goes in as data, never as markup: a patient's words cannot become Typst code.
    made: bytes = typst.compile(
        str(TEMPLATES / template),
        root=str(TEMPLATES),
        # The fonts inside have no pictures: an emoji would be a crossed box.
        sys_inputs={"data": _EMOJI.sub("", json.dumps(_sound(data), ensure_ascii=False))},
        ignore_system_fonts=True,
    )
    return made
