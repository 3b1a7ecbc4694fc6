"""What a report is made of: the finished re-evaluations of one patient, and where they were made."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plateau.content import Catalog, Clinic
from plateau.escalation import Signature
from plateau.protocol import NO_ANSWER

Record = Mapping[str, Any]
# Advice after which nothing but help matters, and the tiers that come before everything else.
STOPPING = ("emergency_care", "same_day_care")
URGENT = ("emergency", "same_day", "within_days")
DAYS_A_WEEK = 7
# A word that is longer than this many letters, on average, is cut as well: not every text has spaces.
LETTERS = 12


@dataclass(frozen=True, slots=True)
class Visit:
    """One finished re-evaluation: its day, its answer record and its assessment, as `plateau assess` gives it."""

    day: datetime.date
    record: Record
    assessment: Mapping[str, Any]
    followed: Sequence[str] | None = None
    rules_version: str | None = None

    @property
    def check_again(self) -> datetime.date:
        return self.day + datetime.timedelta(weeks=int(self.assessment["check_again_weeks"]))


@dataclass(frozen=True, slots=True)
class Place:
    """The clinic a report is from: its name, phone, booking link, and the numbers to call where the patient is."""

    clinic: str
    phone: str
    numbers: Mapping[str, str]
    booking_link: str | None = None
    services: Sequence[str] = ()
    # Who signed the clinical rules; None while nobody has.
    signed_by: str | None = None
    signed_on: str | None = None


def place_of(clinic: Clinic, country: str | None, signed: Signature | None) -> Place:
    """Return where a report is from; `signed` is None while nobody has signed what runs."""
    return Place(
        clinic=clinic.name,
        phone=clinic.phone,
        numbers=clinic.numbers_for(country),
        booking_link=clinic.booking_link,
        services=clinic.services,
        signed_by=signed.clinician if signed else None,
        signed_on=signed.date if signed else None,
    )


def given(record: Record, name: str) -> Any:
    """Return an answer, or None where there is none or it is "unknown" or "skipped"."""
    value = record.get(name)
    return None if isinstance(value, str) and value in NO_ANSWER else value


def chosen(record: Record, name: str) -> list[str]:
    """Return the answers to a question that takes several, without "none"."""
    value = given(record, name)
    return [item for item in value if item != "none"] if isinstance(value, list) else []


def activities(record: Record) -> list[tuple[str, int | None]]:
    """Return the PSFS activities in the patient's words, each with its score (0 to 10, None where it has none)."""
    value = given(record, "activities")
    return [(item["activity"], item.get("score")) for item in value] if isinstance(value, list) else []


def listed(words: Catalog, items: Sequence[str]) -> str:
    """Return items as they are listed in a sentence: "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return words.get("plan.list", items=", ".join(items[:-1]), last=items[-1])


def clipped(text: str, most: int) -> str:
    """Return at most `most` words of a patient's text, on one line."""
    parts = text.split()
    return " ".join(parts) if len(parts) <= most else " ".join(parts[:most]) + " …"


def shortened(text: str, most: int) -> str:
    """Return at most `most` words of a patient's text, or as many letters as such words have."""
    short = clipped(text, most)
    return short if len(short) <= most * LETTERS else f"{short[: most * LETTERS].removesuffix('…').rstrip()} …"
