"""Says in plain words, with their values, which answers a rule saw; the sentences stand under plan.evidence."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from plateau.content import Catalog

# "30 weeks" is said as seven months, "130 weeks" as three years.
MONTHS_FROM, YEARS_FROM = 27, 104
WEEKS_A_MONTH, WEEKS_A_YEAR = 4.345, 52.18
_PLACEHOLDER = re.compile(r"{(\w+)")


def sentence(texts: Catalog, name: str, facts: Mapping[str, Any]) -> str | None:
    """Return the sentence about one answer, or None where it was not given or has nothing to say.

    An entry is a text with {fact} placeholders, a text for each value of a choice, `one` and `other` for a number, or
    `text` with {items} and the words of each item for a list; `fact` names the fact where it is not the entry's name.
    """
    entry = texts.tree("plan.evidence")[name]
    if isinstance(entry, str):
        return _filled(texts, f"plan.evidence.{name}", entry, facts)
    value = facts.get(entry.get("fact", name))
    if _absent(value):
        return None
    if "again" in entry and facts["returning"]:
        # Who comes back was asked against the last visit.
        return texts.get(f"plan.evidence.{name}.again.{value}")
    if "few" in entry and isinstance(value, int | float) and value < 1:
        return texts.get(f"plan.evidence.{name}.few")
    if "items" in entry:
        return _listed(texts, name, entry["items"], value)
    if "months" in entry and isinstance(value, int | float) and value >= MONTHS_FROM:
        years = value >= YEARS_FROM
        span = round(value / (WEEKS_A_YEAR if years else WEEKS_A_MONTH))
        return texts.get(f"plan.evidence.{name}.{'years' if years else 'months'}", value=span)
    if "one" in entry:
        return texts.get(f"plan.evidence.{name}.{'one' if value == 1 else 'other'}", value=_shown(texts, name, value))
    return texts.get(f"plan.evidence.{name}.{value}") if value in entry else None


def _filled(texts: Catalog, path: str, template: str, facts: Mapping[str, Any]) -> str | None:
    needed = _PLACEHOLDER.findall(template)
    if any(_absent(facts.get(name)) for name in needed):
        return None
    return texts.get(path, **{name: _shown(texts, name, facts[name]) for name in needed})


def _listed(texts: Catalog, name: str, items: Mapping[str, str], values: Any) -> str | None:
    words = [items[value] for value in values if value in items]
    if not words:
        return None
    joined = words[0] if len(words) == 1 else texts.get("plan.list", items=", ".join(words[:-1]), last=words[-1])
    return texts.get(f"plan.evidence.{name}.text", items=joined)


def _absent(value: Any) -> bool:
    return value is None or value == () or (isinstance(value, float) and math.isnan(value))


def _shown(texts: Catalog, name: str, value: Any) -> str:
    if isinstance(value, int | float):
        # "since June" is 23.4 weeks to the rules, and 23 to a person.
        whole = name == "adherence" or ("weeks" in name and value >= 2)
        return f"{value:.0f}" if whole else f"{value:.1f}".removesuffix(".0")
    path = f"plan.regions.{value}"
    return texts.get(path) if name in ("body_region", "hurts_at") and texts.has(path) else str(value)
