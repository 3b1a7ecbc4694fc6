"""Makes the plan from the answers and says it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.types import DomainDict

from actions._state import answers_of, numbers, texts
from plateau.content import clinic
from plateau.escalation import assess, clinic_rules, since
from plateau.protocol import record_of
from plateau.report import PlanPage, Visit, place_of, plan_page


class MakePlan(Action):  # type: ignore[misc]
    """Assesses the record and says what to do, with its reasons."""

    def name(self) -> str:
        return "action_make_plan"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: DomainDict) -> list[EventType]:
        assessment = assessed(tracker)
        dispatcher.utter_message(response="utter_making_plan")
        for part in spoken_plan(_page(tracker, assessment)):
            dispatcher.utter_message(**part)
        return [SlotSet("assessment", assessment)]


def assessed(tracker: Tracker) -> dict[str, Any]:
    """Return the assessment of the answers so far, as `plateau assess` gives it."""
    answers = answers_of(tracker)
    return assess(
        record_of(answers),
        since=since(answers),
        rules=clinic_rules(),
        words=texts(),
        numbers=numbers(tracker),
        said=tracker.get_slot("said"),
        today=clinic().today(),
    ).to_dict()


def _page(tracker: Tracker, assessment: Mapping[str, Any]) -> PlanPage:
    answers, here = answers_of(tracker), clinic()
    previous = answers.get("previous")
    visits = [Visit(here.today(), record_of(answers), assessment)]
    if previous:
        visits.insert(0, Visit(datetime.date.fromisoformat(previous["day"]), record_of(previous["answers"]), {}))
    return plan_page(visits, place_of(here, tracker.get_slot("country"), None), texts(), in_chat=True)


def spoken_plan(page: PlanPage) -> Iterator[dict[str, Any]]:
    """Yield the plan's messages: what to do, for hard days and flares, what to ask, what waits, when to look again."""
    words = texts()
    text = words.tree("report.page")
    items = [{"title": item.title, "text": item.text, "because": item.because} for item in page.actions]
    lines = [f"{n}. {item['title']}\n{item['text']}\n{item['because']}" for n, item in enumerate(items, start=1)]
    if page.also:
        lines.append(f"{text['also']}: {'; '.join(page.also)}.")
    yield {"text": "\n".join(lines), "items": items, "id": "plan.recommendations", "kind": "plan"}
    asked = page.script.questions if page.script else ()
    later = [words.get("report.later.item", title=title, until=until) for title, until in page.later]
    for name, entries in (("barriers", page.barriers), ("flare", page.flare), ("questions", asked), ("later", later)):
        if entries:
            said = "\n".join([f"{text[name]}:", *(f"- {entry}" for entry in entries)])
            yield {"text": said, "id": f"plan.{name}", "kind": "plan"}
    closing = f"{page.check} {words.get('plan.said.closing')}"
    yield {"text": closing, "id": "plan.closing", "kind": "plan"}
