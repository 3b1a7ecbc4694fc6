"""The clinic's own settings: clinic.yml, checked against clinic.schema.json."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from ._catalog import catalog

SCHEMA = json.loads((Path(__file__).parent / "clinic.schema.json").read_text(encoding="utf-8"))


class SettingError(ValueError):
    """A clinic setting is wrong: names the file, the field, what is wrong and what is allowed."""


@dataclass(frozen=True, slots=True)
class Clinic:
    """A clinic's settings; docs/configuration.md explains each field."""

    name: str
    phone: str
    default_country: str
    booking_link: str | None = None
    keep_before_consent_minutes: int = 15
    numbers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def numbers_for(self, country: str | None) -> dict[str, str]:
        """Return the emergency, crisis and advice numbers to show in `country`, the default one where it is unknown."""
        known = catalog().tree("safety.numbers")
        place = country if country in known else self.default_country
        return {**known[place], **self.numbers.get(place, {})}


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
