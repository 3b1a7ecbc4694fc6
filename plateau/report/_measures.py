"""The measures of a re-evaluation against the visit before, or the start as the patient recalls it, and their MID."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plateau.escalation import psfs_changes
from plateau.protocol import adherence

from ._visit import Record, Visit, activities, given


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: `name` is nprs, worst, psfs or activity (then `activity` is the patient's word for it).

    `change` counts upwards for the better; `mid` is its minimal important difference; `recalled` says that `before` was
    not measured but remembered.
    """

    name: str
    before: float | None
    now: float
    mid: float
    activity: str = ""
    recalled: bool = False

    @property
    def change(self) -> float | None:
        if self.before is None:
            return None
        return self.before - self.now if self.name in ("nprs", "worst") else self.now - self.before

    @property
    def met(self) -> bool | None:
        """Tell whether the change, for better or worse, is a real one."""
        return None if self.change is None else abs(self.change) >= self.mid


def measures(visits: Sequence[Visit], gates: Mapping[str, float]) -> tuple[Measure, ...]:
    """Return the latest visit's measures, visits oldest first; `gates` holds nprs_mid, psfs_mid and psfs_one_mid."""
    now, earlier = visits[-1].record, visits[-2].record if len(visits) > 1 else None
    return (*_pain(now, earlier, gates), *_function(now, earlier, gates))


def percent(record: Record) -> float | None:
    """Return adherence to the home exercise programme in %, None where it is not known."""
    value = adherence(record)
    return None if value != value else value


def _pain(now: Record, earlier: Record | None, gates: Mapping[str, float]) -> list[Measure]:
    made = []
    current = given(now, "pain_now")
    if current is not None:
        before = given(earlier, "pain_now") if earlier else None
        recalled = before is None
        before = given(now, "pain_start") if recalled else before
        made.append(Measure("nprs", before, current, gates["nprs_mid"], recalled=recalled and before is not None))
    worst = given(now, "pain_worst")
    if worst is not None:
        made.append(Measure("worst", given(earlier, "pain_worst") if earlier else None, worst, gates["nprs_mid"]))
    return made


def _function(now: Record, earlier: Record | None, gates: Mapping[str, float]) -> list[Measure]:
    scored = [(name, score) for name, score in activities(now) if score is not None]
    if not scored:
        return []
    changes = psfs_changes(now, earlier or {})
    each = [
        Measure("activity", score - changes[name] if name in changes else None, score, gates["psfs_one_mid"], name)
        for name, score in scored
    ]
    both = [measure for measure in each if measure.before is not None]
    # A mean over other activities than last time would compare apples with pears.
    comparable = both if len(both) == len(each) else []
    before = sum(measure.before or 0 for measure in comparable) / len(comparable) if comparable else None
    mean = Measure("psfs", before, sum(score for _, score in scored) / len(scored), gates["psfs_mid"])
    return [mean, *each]
