"""The patient's talk with the therapist: what is better, worse and still limited, what was done, what matters when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from plateau.content import Catalog, dated
from plateau.escalation import clinic_rules, psfs_changes
from plateau.protocol import ADHERENT, adherence

from ._visit import Visit, activities, chosen, clipped, given, listed

MOST_QUESTIONS = 3
MOST_WORDS = 40
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
        ("better", [*_quoted(visit, "better", words), *_changed(visit, earlier, words)]),
        ("worse", _quoted(visit, "worse", words)),
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


def _opening(visit: Visit) -> str:
    advised = [item["id"] for item in visit.assessment["recommendations"]]
    if visit.assessment["trend"] == "improved":
        return "improved"
    if "reduce_load" in advised:
        return "flare"
    if "improve_adherence" in advised and adherence(visit.record) < ADHERENT:
        return "adherence"
    return "worse" if visit.assessment["trend"] == "worse" else "default"


def _quoted(visit: Visit, name: str, words: Catalog) -> list[str]:
    text = given(visit.record, name)
    return [words.get("report.script.quote", words=clipped(text, MOST_WORDS))] if text else []


def _changed(visit: Visit, earlier: Visit | None, words: Catalog) -> Iterator[str]:
    """Yield the activities that are better than last time."""
    changes = psfs_changes(visit.record, earlier.record) if earlier else {}
    for name, score in activities(visit.record):
        if score is not None and changes.get(name, 0) > 0:
            before = score - changes[name]
            yield words.get("report.script.activity_changed", activity=name, before=before, score=score)


def _limited(visit: Visit, words: Catalog) -> Iterator[str]:
    for name, score in activities(visit.record):
        if score is None:
            yield name
        elif score < LIMITED:
            yield words.get("report.script.activity", activity=name, score=score)
    now, start = given(visit.record, "pain_now"), given(visit.record, "pain_start")
    if now is not None:
        key = "pain" if start is None else "pain_changed"
        yield words.get(f"report.script.{key}", pain_now=now, pain_start=start)


def _did(visit: Visit, words: Catalog) -> Iterator[str]:
    done, prescribed = given(visit.record, "hep_days_done"), given(visit.record, "hep_days_prescribed")
    if prescribed and done is not None:
        yield words.get("report.script.did.days", done=f"{done:g}", prescribed=f"{prescribed:g}")
    texts = words.tree("report.script.barriers")
    if barriers := [texts[name] for name in chosen(visit.record, "hep_barriers")]:
        yield words.get("report.script.did.barriers", items=listed(words, barriers))
    texts = words.tree("plan.evidence.tried.items") | words.tree("plan.evidence.xray.items")
    if tried := [texts[name] for name in chosen(visit.record, "tried")]:
        yield words.get("report.script.did.tried", items=listed(words, tried))


def _body(visit: Visit, words: Catalog) -> Iterator[str]:
    response = given(visit.record, "session_response")
    texts = words.tree("report.script.response")
    if response:
        yield words.get("report.script.body", items=listed(words, [texts[name] for name in response]))
    if effort := given(visit.record, "effort"):
        yield words.get(f"report.script.effort.{effort}")


def _matters(visit: Visit, words: Catalog) -> Iterator[str]:
    """Yield the goal, and a first step that can be measured: by the date of the next check, one real change."""
    if goal := given(visit.record, "goal"):
        yield words.get("report.script.goal", goal=clipped(goal, MOST_WORDS))
    gates, day = clinic_rules().gates, dated(words, visit.check_again)
    scored = [(name, score) for name, score in activities(visit.record) if score is not None and score < LIMITED]
    if scored:
        name, score = min(scored, key=lambda activity: activity[1])
        target = min(10, score + round(gates["psfs_mid"]))
        yield words.get("report.script.step.activity", day=day, activity=name, score=score, target=target)
    elif (now := given(visit.record, "pain_now")) and now > gates["nprs_floor"]:
        yield words.get("report.script.step.pain", day=day, target=now - round(gates["nprs_mid"]))
