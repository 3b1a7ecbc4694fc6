"""The patient's plan as a content model: the chat, the page and the PDF render it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from plateau.content import Catalog, dated

from ._drawn import Picture, pictures
from ._script import Script, script
from ._summary import PRIVATE
from ._visit import STOPPING, URGENT, Place, Visit, listed

MOST_ACTIONS = 3
BARRIER = "barrier_"
# Barrier plans have a part of their own.
BARRIERS = (BARRIER,)
# A note that may put someone in danger on a page that others may read; it is said in the chat.
UNWRITTEN = ("abuse", "crisis")
URGENT_ADVICE = (*STOPPING, "see_clinician_soon")
# Reasons that speak of a red flag named before them.
SETTLED = ("checked", "taken_back")
TALK, MODALITY = "talk_to_therapist", "change_modality"
# Services that are named only where the rules add this note to the advice.
NOTED = {"manual_therapy": "hands_on", "dry_needling": "needling"}


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do, and why, from what the patient told."""

    id: str
    title: str
    text: str
    because: str


@dataclass(frozen=True, slots=True)
class PlanPage:
    """The plan as the patient reads it; what does not apply is empty or None."""

    made: str
    urgent: str | None
    actions: tuple[Action, ...]
    also: tuple[str, ...]
    barriers: tuple[str, ...]
    flare: tuple[str, ...]
    script: Script | None
    later: tuple[tuple[str, str], ...]
    help_now: str
    help_signs: tuple[str, ...]
    soon: str
    soon_signs: tuple[str, ...]
    check: str
    pictures: tuple[Picture, ...]
    glossary: tuple[str, ...]


def plan_page(visits: Sequence[Visit], place: Place, words: Catalog, *, in_chat: bool = False) -> PlanPage:
    """Return the plan of the latest of `visits`, which stand oldest first and are all one patient's.

    `in_chat` is for the patient's eyes alone: without pictures, and with what must not stand on a page others may read.
    """
    visit, earlier = visits[-1], visits[-2] if len(visits) > 1 else None
    stopping = visit.assessment["primary"] in STOPPING
    actions, also = _actions(visit, place, words, in_chat=in_chat)
    page = words.tree("report")
    made = PlanPage(
        made=dated(words, visit.day),
        urgent=_urgent(visit, place, words),
        actions=actions,
        also=also,
        barriers=() if stopping else _barriers(visit, words),
        flare=() if stopping else tuple(page["flare"][visit.assessment["load"]]),
        script=None if stopping else script(visit, earlier, words),
        later=_later(visit, words),
        help_now=words.get("report.help.now", **place.numbers),
        help_signs=tuple(sign.format(**place.numbers) for sign in page["help"]["signs"]),
        soon=words.get("report.help.soon", **place.numbers),
        soon_signs=tuple(page["help"]["soon_signs"]),
        check=check_again(visit, words),
        pictures=() if in_chat or stopping else pictures(visits, words),
        glossary=(),
    )
    return _explained(made, words)


def check_again(visit: Visit, words: Catalog) -> str:
    if visit.assessment["primary"] in STOPPING:
        return words.get("report.check.seen")
    weeks = int(visit.assessment["check_again_weeks"])
    return words.get(
        f"report.check.{'one' if weeks == 1 else 'text'}", day=dated(words, visit.check_again), weeks=weeks
    )


def plain_text(page: PlanPage) -> Iterator[str]:
    """Yield every sentence of the page that is ours to write, for its reading grade and its glossary."""
    yield from (part for part in (page.urgent, page.help_now, page.soon, page.check) if part)
    for action in page.actions:
        yield from (action.title, action.text, action.because)
    yield from (*page.also, *page.barriers, *page.flare, *page.help_signs, *page.soon_signs)
    for title, until in page.later:
        yield from (title, until)
    if page.script:
        yield page.script.opening
        yield from page.script.questions
        for label, lines in page.script.lines:
            yield from (label, *lines)


def _actions(
    visit: Visit, place: Place, words: Catalog, *, in_chat: bool
) -> tuple[tuple[Action, ...], tuple[str, ...]]:
    """Return the first three pieces of advice, and the titles of the others.

    The talk with the therapist has a part of the page of its own; it is an action only where it leads.
    """
    advice = visit.assessment["recommendations"]
    items = [item for item in advice if item["id"] != TALK or item is advice[0] or len(advice) <= MOST_ACTIONS]
    made = tuple(
        Action(
            item["id"],
            _title(item["id"], words),
            _text(item, place, words, BARRIERS if in_chat else (*BARRIERS, *UNWRITTEN)),
            item["because"] if in_chat else _because(item, visit, words),
        )
        for item in items[:MOST_ACTIONS]
    )
    return made, tuple(_title(item["id"], words) for item in items[MOST_ACTIONS:])


def _title(recommendation: str, words: Catalog) -> str:
    return words.get(f"plan.recommendations.{recommendation}.title")


def _text(item: Mapping[str, object], place: Place, words: Catalog, left_out: tuple[str, ...]) -> str:
    """Return an advice's text without the notes `left_out` (ids, or how they begin)."""
    text = str(item["text"])
    notes = item.get("notes")
    for note in notes if isinstance(notes, list | tuple) else ():
        if note.startswith(left_out):
            text = text.replace(words.get(f"plan.notes.{note}", **place.numbers), "")
    return " ".join([*text.split(), *_offered(item, place, words)])


def _offered(item: Mapping[str, object], place: Place, words: Catalog) -> Iterator[str]:
    """Yield what the clinic offers of an advised change, without what a filter of the rules speaks against."""
    notes = item.get("notes")
    against = {service for service, note in NOTED.items() if isinstance(notes, list | tuple) and note not in notes}
    offered = [service for service in place.services if service not in against]
    if item["id"] == MODALITY and offered:
        titles = words.tree("report.services")
        items = listed(words, [titles[service] for service in offered])
        yield words.get("report.page.offered", clinic=place.clinic, items=items)


def _because(item: Mapping[str, object], visit: Visit, words: Catalog) -> str:
    """Return an advice's reason, without the answers where one of them is private (clinical dossier 4.3)."""
    flags = {flag["id"] for flag in visit.record.get("red_flags") or () if flag["state"] != "denied"}
    if flags & set(PRIVATE) and item["id"] in URGENT_ADVICE:
        return words.get(f"plan.reasons.{visit.assessment['tier']}")
    # What was checked since, or called a mistake, is a reason too: its sentence goes, and what refers to it.
    names = words.tree("plan.evidence.red_flags.items")
    said = re.split(r"(?<=[.!?])\s+", str(item["because"]))
    kept = [sentence for sentence in said if not any(names[flag] in sentence for flag in PRIVATE)]
    if len(kept) == len(said):
        return str(item["because"])
    because = " ".join(kept)
    for name in SETTLED:
        because = because.replace(words.get(f"plan.reasons.{name}"), "")
    return " ".join(because.split()) or words.get("plan.reasons.fallback")


def _urgent(visit: Visit, place: Place, words: Catalog) -> str | None:
    tier = visit.assessment["tier"]
    return words.get(f"report.urgent.{tier}", **place.numbers) if tier in URGENT else None


def _barriers(visit: Visit, words: Catalog) -> tuple[str, ...]:
    notes = [note for item in visit.assessment["recommendations"] for note in item.get("notes", ())]
    return tuple(words.get(f"plan.notes.{note}") for note in notes if note.startswith(BARRIER))


def _later(visit: Visit, words: Catalog) -> tuple[tuple[str, str], ...]:
    """Return what waits and until when; what waits for the same stands together."""
    together: dict[str, list[str]] = {}
    for item in visit.assessment["held_back"]:
        together.setdefault(item["until"], []).append(_title(item["id"], words))
    return tuple(("; ".join(titles), until) for until, titles in together.items())


def _explained(page: PlanPage, words: Catalog) -> PlanPage:
    text = " ".join(plain_text(page)).lower()
    used = [
        meaning
        for word, meaning in words.tree("report.glossary").items()
        if re.search(rf"\b{re.escape(word.lower())}s?\b", text)
    ]
    return PlanPage(**{**{name: getattr(page, name) for name in PlanPage.__slots__}, "glossary": tuple(used)})
