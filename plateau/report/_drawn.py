"""Turns the visits of one patient into the pictures of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from plateau.content import Catalog, dated
from plateau.escalation import clinic_rules, psfs_changes

from ._measures import Measure, measures, percent
from ._pictures import (
    AdherenceLabels,
    BodyLabels,
    FunctionBar,
    FunctionLabels,
    PainLabels,
    PainPoint,
    adherence_bar,
    body_map,
    function_bars,
    pain_chart,
)
from ._visit import Visit, activities, given, shortened

MOST_VISITS = 12
MOST_WORDS = 12


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: its heading, the SVG, its text alternative, and a sentence that says what it shows."""

    id: str
    title: str
    svg: str
    alternative: str
    says: str = ""


def pictures(visits: Sequence[Visit], words: Catalog) -> tuple[Picture, ...]:
    """Return the pictures there are numbers for; visits stand oldest first."""
    recent = visits[-MOST_VISITS:]
    gates = clinic_rules().gates
    known = {measure.name: measure for measure in measures(visits, gates) if measure.name != "activity"}
    return (
        *_pain(recent, known, words),
        *_function(visits, known, words),
        *_hep(visits[-1], words),
        *_body(visits[-1], words),
    )


def _pain(visits: Sequence[Visit], known: dict[str, Measure], words: Catalog) -> Iterator[Picture]:
    points = [
        PainPoint(_short(visit, words), given(visit.record, "pain_now"), given(visit.record, "pain_worst"))
        for visit in visits
    ]
    if not any(point.now is not None for point in points):
        return
    start = given(visits[0].record, "pain_start")
    told = [
        words.get(
            f"report.numbers.chart.{'pain_point_now' if point.worst is None else 'pain_point'}",
            day=dated(words, visit.day),
            now=point.now,
            worst=point.worst,
        )
        for visit, point in zip(visits, points, strict=True)
        if point.now is not None
    ]
    if start is not None:
        told.insert(0, words.get("report.numbers.chart.pain_start", start=start))
    text = words.tree("report.numbers")
    described = words.get("report.numbers.chart.pain", points=" ".join(told))
    labels = PainLabels(
        title=text["pain"],
        desc=described,
        scale=words.get("report.numbers.scale"),
        now=text["pain_now"],
        worst=text["pain_worst"],
        recalled=text["recalled"],
        band=text["mid"],
    )
    mid = clinic_rules().gates["nprs_mid"]
    yield Picture(
        "pain",
        text["pain"],
        pain_chart(points, baseline=start, mid=mid, labels=labels),
        described,
        _change(known.get("nprs"), words),
    )


def _function(visits: Sequence[Visit], known: dict[str, Measure], words: Catalog) -> Iterator[Picture]:
    now = [(name, score) for name, score in activities(visits[-1].record) if score is not None]
    if not now:
        return
    changes = psfs_changes(visits[-1].record, visits[-2].record) if len(visits) > 1 else {}
    bars = [
        FunctionBar(shortened(name, MOST_WORDS), score - changes[name] if name in changes else None, score)
        for name, score in now
    ]
    told = [
        words.get("report.numbers.chart.function_point", activity=bar.name, now=bar.now)
        if bar.first is None
        else words.get("report.numbers.chart.function_point_changed", activity=bar.name, before=bar.first, now=bar.now)
        for bar in bars
    ]
    text = words.tree("report.numbers")
    described = words.get("report.numbers.chart.function", points=" ".join(told))
    labels = FunctionLabels(
        title=text["function"],
        desc=described,
        low=text["function_low"],
        high=text["function_high"],
        first=text["before"],
        now=text["now"],
    )
    yield Picture(
        "function", text["function"], function_bars(bars, labels=labels), described, _change(known.get("psfs"), words)
    )


def _hep(visit: Visit, words: Catalog) -> Iterator[Picture]:
    done, prescribed = given(visit.record, "hep_days_done"), given(visit.record, "hep_days_prescribed")
    share = percent(visit.record)
    if share is None or not prescribed:
        return
    text = words.tree("report.numbers")
    key = "more" if done > prescribed else "share"
    days = {"done": f"{done:g}", "prescribed": f"{prescribed:g}", "percent": f"{share:.0f}"}
    said = words.get(f"report.numbers.done.{key}", **days)
    labels = AdherenceLabels(title=text["adherence"], desc=said, beside=said)
    yield Picture("adherence", text["adherence"], adherence_bar(done, prescribed, labels=labels), said)


def _body(visit: Visit, words: Catalog) -> Iterator[Picture]:
    region = given(visit.record, "body_region")
    if region is None:
        return
    hurts = given(visit.record, "hurts_at")
    text = words.tree("report.numbers")
    titles = words.tree("questions.body_region.options")
    key = "body" if hurts in (None, region) else "body_hurts"
    side = given(visit.record, "side")
    treated = words.get("report.numbers.sided", side=text[side], region=titles[region]) if side else titles[region]
    described = words.get(f"report.numbers.chart.{key}", region=treated, hurts=titles.get(hurts, ""))
    labels = BodyLabels(
        title=text["body"],
        desc=described,
        front=text["front"],
        back=text["back"],
        left=text["left"],
        right=text["right"],
        treated=text["treated"],
        hurts=text["hurts"],
    )
    yield Picture("body", text["body"], body_map(region, side=side, hurts_at=hurts, labels=labels), described)


def _change(measure: Measure | None, words: Catalog) -> str:
    """Return how a measure has changed and whether that counts; nothing where there is nothing to compare."""
    if measure is None or measure.change is None:
        return ""
    size = f"{abs(measure.change):.1f}".removesuffix(".0")
    if not measure.change:
        return words.get("report.numbers.change.same")
    kind = "better" if measure.change > 0 else "worse"
    key = kind if measure.met else f"{kind}_little"
    return words.get(f"report.numbers.change.{key}", points=size, mid=f"{measure.mid:g}")


def _short(visit: Visit, words: Catalog) -> str:
    return words.get("report.numbers.day", day=visit.day.day, month=words.get(f"plan.months.{visit.day.month}")[:3])
