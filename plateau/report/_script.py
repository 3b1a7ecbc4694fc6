"""The patient's talk with the therapist: what is better, worse and still limited, what was done, what matters when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from plateau.content import Catalog, dated
from plateau.escalation import clinic_rules, psfs_changes

from ._visit import URGENT, Visit, activities, chosen, given, listed, shortened

MOST_QUESTIONS = 3
MOST_WORDS = 40
MOST_ACTIVITY = 12
LIMITED = 8  # PSFS: from here on the activity is nearly as before


@dataclass(frozen=True, slots=True)
class Script:
    """How to open the talk, what to say under each heading, and the questions to ask."""

    opening: str
    lines: tuple[tuple[str, tuple[str, ...]], ...]
    questions: tuple[str, ...]


def script(visit: Visit, earlier: Visit | None, words: Catalog) -> Script:
    """Return the guide for one visit; a heading without anything to say is left out."""
    parts = [
        (
            "better",
            [*_quoted(visit, "better", words), *_changed(visit, earlier, words), *_pain(visit, "better", words)],
        ),
        ("worse", [*_quoted(visit, "worse", words), *_pain(visit, "worse", words)]),
        ("limited", list(_limited(visit, words))),
        ("did", list(_did(visit, words))),
        ("body", list(_body(visit, words))),
        ("matters", list(_matters(visit, words))),
        ("decide", [words.get("report.script.decide", day=dated(words, visit.check_again))]),
    ]
    return Script(
        opening=words.get(f"report.script.opening.{_opening(visit)}"),
        lines=tuple((words.get(f"report.script.labels.{name}"), tuple(lines)) for name, lines in parts if lines),
        questions=tuple(visit.assessment["questions_for_therapist"][:MOST_QUESTIONS]),
    )


# The first advice that decides how the talk is opened, where nothing more pressing does.
OPENINGS = {
    "continue_plan": "gaining",
    "too_early": "early",
    "increase_load": "easy",
    "improve_adherence": "adherence",
    "second_opinion": "tried",
    "discuss_imaging": "tried",
    "neuropathic_management": "tried",
    "nonsurgical_options": "tried",
    "multidisciplinary_care": "tried",
    "surgical_consult": "tried",
}
# Where the next step is an appointment, a score is no sensible goal.
APPOINTMENTS = (
    "second_opinion",
    "nonsurgical_options",
    "multidisciplinary_care",
    "surgical_consult",
    "see_clinician_soon",
)
NOTHING = ("nothing", "none", "no", "nothing much", "nope", "n/a", "not really")
CHRONIC_WEEKS = 12


def _opening(visit: Visit) -> str:
    assessment = visit.assessment
    advised = [item["id"] for item in assessment["recommendations"]]
    if assessment["tier"] in URGENT:
        return "checked_first"
    if assessment["trend"] == "improved":
        return "stopped" if "keep_gains" in assessment["recommendations"][0].get("notes", ()) else "improved"
    if "reduce_load" in advised:
        return "flare"
    if assessment["trend"] == "worse":
        return "worse"
    if assessment["load"] in ("protected", "paced"):
        return "pace"
    return OPENINGS.get(assessment["primary"], "default")


def _quoted(visit: Visit, name: str, words: Catalog) -> list[str]:
    text = given(visit.record, name)
    if text and text.strip(" .!").lower() in NOTHING:
        return []
    return [words.get("report.script.quote", words=shortened(text, MOST_WORDS))] if text else []


def _changed(visit: Visit, earlier: Visit | None, words: Catalog) -> Iterator[str]:
    """Yield the activities that are better than last time."""
    changes = psfs_changes(visit.record, earlier.record) if earlier else {}
    for name, score in activities(visit.record):
        if score is not None and changes.get(name, 0) > 0:
            before = score - changes[name]
            yield words.get("report.script.activity_changed", activity=_short(name), before=before, score=score)


def _limited(visit: Visit, words: Catalog) -> Iterator[str]:
    for name, score in activities(visit.record):
        if score is None:
            yield _short(name)
        elif score < LIMITED:
            yield words.get("report.script.activity", activity=_short(name), score=score)
    yield from _pain(visit, "limited", words)


def _pain(visit: Visit, part: str, words: Catalog) -> Iterator[str]:
    """Yield the pain where it belongs: what is better, what is worse, or what still limits."""
    now, start = given(visit.record, "pain_now"), given(visit.record, "pain_start")
    if now is None or (now == 0 and not start):
        return
    belongs = "limited" if start is None or start == now else "better" if now < start else "worse"
    if part == belongs:
        key = "pain" if part == "limited" else "pain_changed"
        yield words.get(f"report.script.{key}", pain_now=now, pain_start=start)


def _short(activity: str) -> str:
    return shortened(activity, MOST_ACTIVITY)


def _did(visit: Visit, words: Catalog) -> Iterator[str]:
    done, prescribed = given(visit.record, "hep_days_done"), given(visit.record, "hep_days_prescribed")
    if prescribed and done is not None:
        key = "more_days" if done > prescribed else "days"
        yield words.get(f"report.script.did.{key}", done=f"{done:g}", prescribed=f"{prescribed:g}")
    texts = words.tree("report.script.barriers")
    if barriers := [texts[name] for name in chosen(visit.record, "hep_barriers")]:
        yield words.get("report.script.did.barriers", items=listed(words, barriers))
    texts = words.tree("plan.evidence.tried.items") | words.tree("plan.evidence.xray.items")
    if tried := [texts[name] for name in chosen(visit.record, "tried")]:
        yield words.get("report.script.did.tried", items=listed(words, tried))


def _body(visit: Visit, words: Catalog) -> Iterator[str]:
    response = given(visit.record, "session_response")
    texts = words.tree("report.script.response")
    if response == ["none"]:
        yield words.get("report.script.response.none")
    elif response:
        yield words.get("report.script.body", items=listed(words, [texts[name] for name in response]))
    if effort := given(visit.record, "effort"):
        yield words.get(f"report.script.effort.{effort}")


def _matters(visit: Visit, words: Catalog) -> Iterator[str]:
    """Yield the goal, and a first step with its day that fits what is advised."""
    if goal := given(visit.record, "goal"):
        yield words.get("report.script.goal", goal=shortened(goal, MOST_WORDS))
    yield from _first_step(visit, words)


def _first_step(visit: Visit, words: Catalog) -> Iterator[str]:
    """Yield one step: calm in a flare, the pace agreed on, an appointment, or one real change."""
    assessment, gates, day = visit.assessment, clinic_rules().gates, dated(words, visit.check_again)
    advised = [item["id"] for item in assessment["recommendations"]]
    scored = [(name, score) for name, score in activities(visit.record) if score is not None and score < LIMITED]
    chronic = (given(visit.record, "weeks_with_problem") or 0) >= CHRONIC_WEEKS
    now = given(visit.record, "pain_now")
    if assessment["primary"] in APPOINTMENTS:
        yield words.get("report.script.step.appointment", day=day)
    elif "reduce_load" in advised:
        yield words.get("report.script.step.calm", day=day)
    elif assessment["load"] in ("protected", "paced"):
        yield words.get("report.script.step.agreed", day=day)
    elif scored:
        name, score = min(scored, key=lambda activity: activity[1])
        target = min(10, score + round(gates["psfs_mid"]))
        yield words.get("report.script.step.activity", day=day, activity=_short(name), score=score, target=target)
    elif now is not None and now > gates["nprs_floor"] and not chronic:
        yield words.get("report.script.step.pain", day=day, target=now - round(gates["nprs_mid"]))
