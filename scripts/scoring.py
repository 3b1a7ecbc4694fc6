"""The rules of the labelled samples: when a reading is right, and how far a red flag's tier is from its label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TIERS = ("none", "routine", "within_days", "same_day", "emergency")
ALARM = TIERS.index("within_days")
# Answers in the patient's own words: they may stand beside others without being invented.
OWN_WORDS = {"better", "worse", "goal", "diagnosis_given", "activities"}
UNANSWERED = (None, "unknown", "skipped")
# Neighbours that lead the patient to the same place.
ALIKE = (
    {"thanks", "bye"},
    {"greet", "affirm"},
    {"stop", "bye"},
    {"frustrated", "human"},
    {"medication_question", "ask_faq"},
    {"diagnosis_request", "ask_faq"},
    {"go_back", "correct_answer"},
    {"skip", "dont_know"},
    {"privacy", "ask_faq"},
)
# Digressions that may stand beside an answer: nothing is lost by them.
HARMLESS = {None, "frustrated", "greet", "thanks", "affirm", "deny", "correct_answer"}

Line = Mapping[str, Any]


def rank(tier: Any) -> int:
    """Return how urgent a tier is; 0 for none."""
    return TIERS.index(tier) if tier in TIERS else 0


def highest(line: Line) -> int:
    """Return how urgent the most urgent red flag of a line is."""
    flags = [flag for flag in line.get("red_flags") or [] if isinstance(flag, dict)]
    return max((rank(flag.get("tier")) for flag in flags if flag.get("state", "reported") == "reported"), default=0)


def answer_is_right(check: Line, value: Any) -> bool:
    """Tell whether a value is one of `any`, within `between`, or a set with one of each `has` and none of `not`."""
    if value is None or value in ("unknown", "skipped"):
        return False
    values = value if isinstance(value, list) else [value]
    if "between" in check:
        low, high = check["between"]
        try:
            return all(low <= float(each) <= high for each in values)
        except (TypeError, ValueError):
            return False
    said = {str(each) for each in values}
    if "any" in check:
        return bool(said) and said <= set(check["any"])
    groups = check.get("has", [])
    if not all(said & set(group) for group in groups) or said & set(check.get("not", [])):
        return False
    return not groups or len(said - {each for group in groups for each in group}) <= 1


def alarm_allowed(want: Line) -> bool:
    """Tell whether a message may raise a red flag; on all others an alarm is false."""
    return bool(want.get("red_flag")) or want.get("screen") in ("yes", "unsure")


def reading_is_right(line: Line) -> bool:
    """Tell whether what is labelled was read, and nothing else was."""
    want, asked = line["expect"], line["question"]
    labelled = want.get("answers", {})
    got = {name: value for name, value in (line.get("answers") or {}).items() if value not in (None, [], "")}
    if "error" in line or (want.get("red_flag") and highest(line) < ALARM):
        return False
    if highest(line) >= ALARM and not alarm_allowed(want):
        return False
    if "screen" in want and not labelled:
        return True
    if "intent" in want:
        return _digression_is_right(line, want["intent"], labelled, got)
    read = _read(got)
    if line.get("intent") not in HARMLESS:
        return False
    if "free" in want:
        return bool(read & (OWN_WORDS | {want["free"]}))
    if not _none_wrong(labelled, got) or read - set(labelled) - OWN_WORDS:
        return False
    if want.get("vague") or (want.get("red_flag") and not labelled):
        return True
    missing = {name for name, check in labelled.items() if name not in read and _needed(check)}
    # Of many answers told at once a third may be missed, and asked again, where the one asked for is not among them.
    return asked not in missing if asked in labelled else len(missing) <= (len(labelled) // 3 if labelled else 0)


def _digression_is_right(line: Line, wanted: str, labelled: Line, got: Line) -> bool:
    asked, intent, read = line["question"], line.get("intent"), _read(got)
    right = (
        intent == wanted
        or any({intent, wanted} <= same for same in ALIKE)
        or (wanted in ("dont_know", "skip") and got.get(asked) in ("unknown", "skipped"))
        or (wanted in ("affirm", "deny") and asked in got and intent in HARMLESS)
    )
    if labelled:
        return _none_wrong(labelled, got) and (right or set(labelled) <= read)
    answering = {asked} if wanted in ("affirm", "deny", "frustrated") else set()
    return right and not read - OWN_WORDS - answering


def _read(got: Line) -> set[str]:
    return {name for name, value in got.items() if value not in UNANSWERED}


def _none_wrong(labelled: Line, got: Line) -> bool:
    return all(answer_is_right(check, got[name]) for name, check in labelled.items() if name in _read(got))


def _needed(check: Line) -> bool:
    return any(key != "not" and (key != "has" or check["has"]) for key in check)
