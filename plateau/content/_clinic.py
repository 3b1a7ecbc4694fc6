"""The clinic's own settings: clinic.yml, checked against clinic.schema.json."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import jsonschema
import yaml

from ._catalog import Catalog, catalog

SCHEMA = json.loads((Path(__file__).parent / "clinic.schema.json").read_text(encoding="utf-8"))


# Of the text that asks for consent (questions.yml); raised whenever its meaning changes.
CONSENT_VERSION = "1"
# With the article, which the clinic's word may change, and "physical", which it replaces as well.
_THERAPIST = re.compile(r"\b(?:(an?) )?(?:physical )?therapist(s?)\b", re.IGNORECASE)
_VOWELS = "aeio"
# Not texts but their sources, and the words by which an FAQ is found.
_AS_WRITTEN = ("source", "match")


class SettingError(ValueError):
    """A clinic setting is wrong: names the file, the field, what is wrong and what is allowed."""


@dataclass(frozen=True, slots=True)
class Clinic:
    """A clinic's settings; docs/configuration.md explains each field."""

    name: str
    phone: str
    default_country: str
    booking_link: str | None = None
    origins: Sequence[str] = ()
    exit_link: str = "https://www.wikipedia.org/"
    keep_before_consent_minutes: int = 15
    keep_days: int = 730
    time_zone: str = "UTC"
    link_hours: int = 72
    code_days: int = 180
    therapist: Mapping[str, str] | None = None
    services: Sequence[str] = ()
    rules: str | None = None
    time_gates: Mapping[str, float] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    public_url: str | None = None
    channels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    staff: Mapping[str, Any] = field(default_factory=dict)

    @property
    def consent_version(self) -> str:
        """The version of the text a patient agrees to; it changes with the clinic's own text."""
        own = self.texts.get("consent")
        return CONSENT_VERSION if own is None else f"{CONSENT_VERSION}-{sha256(own.encode()).hexdigest()[:12]}"

    def today(self) -> date:
        """Return the day it is at the clinic."""
        return self.day_of(datetime.now(UTC))

    def day_of(self, moment: datetime) -> date:
        """Return the day at the clinic of an aware moment."""
        return self.time_of(moment).date()

    def time_of(self, moment: datetime) -> datetime:
        """Return an aware moment in the clinic's time."""
        return moment.astimezone(ZoneInfo(self.time_zone))

    def worded(self, text: str) -> str:
        """Return one of Plateau's texts with the clinic's word for a therapist."""
        if self.therapist is None:
            return text
        own = self.therapist
        return _THERAPIST.sub(lambda found: _instead(found, own), text)

    def numbers_for(self, country: str | None) -> dict[str, str]:
        """Return the emergency, crisis and advice numbers to show in `country`, the default one where it is unknown."""
        known = catalog().tree("safety.numbers")
        place = country if country in known else self.default_country
        return {**known[place], **self.numbers.get(place, {})}


@cache
def clinic_words() -> Catalog:
    """Return the texts as this clinic says them: its word for a therapist, its own text for consent."""
    here, plain = clinic(), catalog()
    own = _each(plain.texts, here.worded)
    if consent := here.texts.get("consent"):
        questions = own["questions"]
        own = {**own, "questions": {**questions, "consent": {**questions["consent"], "ask": consent}}}
    return Catalog(plain.language, own)


def _each(node: Any, change: Callable[[str], str]) -> Any:
    if isinstance(node, Mapping):
        return {key: value if key in _AS_WRITTEN else _each(value, change) for key, value in node.items()}
    if isinstance(node, list):
        return [_each(item, change) for item in node]
    return change(node) if isinstance(node, str) else node


def _instead(found: re.Match[str], own: Mapping[str, str]) -> str:
    word = own["many" if found[2] else "one"]
    said = f"{'an' if word[0] in _VOWELS else 'a'} {word}" if found[1] else word
    return said[0].upper() + said[1:] if found[0][0].isupper() else said


@cache
def clinic(path: str | None = None) -> Clinic:
    """Load the clinic's settings from `path`, the environment's PLATEAU_CLINIC or ./clinic.yml; raises SettingError."""
    file = Path(path or os.environ.get("PLATEAU_CLINIC") or "clinic.yml")
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingError(f"{file}: there is no such file; set PLATEAU_CLINIC to the clinic's settings") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingError(f"{file} is not valid YAML: {error}") from None
    check(raw, str(file))
    zone = raw.get("time_zone", "UTC")
    if zone not in available_timezones():
        raise SettingError(f"{file}: time_zone: {zone!r} is not known; allowed: an IANA name such as America/New_York")
    return Clinic(**raw)


def check(raw: Any, file: str) -> None:
    """Check settings against the schema; raises SettingError naming the first wrong field and what is allowed."""
    errors = sorted(jsonschema.Draft7Validator(SCHEMA).iter_errors(raw), key=lambda error: list(map(str, error.path)))
    if not errors:
        return
    error = errors[0]
    where = ".".join(map(str, error.path)) or "the whole file"
    properties = error.schema.get("properties") if isinstance(error.schema, dict) else None
    allowed = f"; allowed fields: {', '.join(properties)}" if properties else f"; allowed: {_allowed(error)}"
    raise SettingError(f"{file}: {where}: {error.message}{allowed}")


def _allowed(error: jsonschema.ValidationError) -> str:
    return json.dumps({error.validator: error.validator_value})
