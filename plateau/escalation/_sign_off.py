"""What a clinician signs before real use, and whether what runs is still what was signed."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from plateau.content import SettingError, clinic

from ._rules import DEFAULT_FILE

PACKAGE = Path(__file__).parents[1]
# What decides, and every text a patient reads. docs/clinical/sign-off.md explains the choice and what is left out.
SIGNED = ("escalation/rules.yml", "protocol/questions.yml", "protocol/red_flags.yml", "content/en/*.yml")
FIELDS = ("clinician", "role", "registration", "date", "fingerprint")
LONGEST_TEXT = 200
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Signature:
    """A clinician's sign-off; `current` while what runs is still what was signed."""

    clinician: str
    role: str
    registration: str
    date: str
    fingerprint: str
    current: bool


def signed_files() -> list[Path]:
    """Return the files a clinician signs, in the order the fingerprint takes them."""
    return [file for pattern in SIGNED for file in sorted(PACKAGE.glob(pattern))]


def fingerprint(rules: str | Path = DEFAULT_FILE, settings: Mapping[str, Any] | None = None) -> str:
    """Return the SHA-256 of the signed files, `rules` being the rule file; neither line endings nor a BOM count.

    `settings` are those of clinic.yml that change a rule or a text: they are part of what is signed.
    """
    digest = hashlib.sha256()
    for file in signed_files():
        name = file.relative_to(PACKAGE).as_posix()
        # Reading as text makes every line ending a plain one.
        body = (Path(rules) if file == DEFAULT_FILE else file).read_text(encoding="utf-8-sig").encode()
        digest.update(f"{name} {len(body)}\n".encode() + body)
    if settings:
        digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()


def running() -> str:
    """Return the fingerprint of what this clinic runs: its rule file, time gates and texts where it has its own."""
    here = clinic()
    own = {"gates": dict(here.time_gates), "texts": dict(here.texts), "therapist": dict(here.therapist or {})}
    return fingerprint(here.rules or DEFAULT_FILE, {name: value for name, value in own.items() if value})


def sign_off_file() -> Path:
    """Return where the sign-off is looked for: PLATEAU_SIGN_OFF, else sign-off.yml beside the clinic's settings."""
    named = os.environ.get("PLATEAU_SIGN_OFF")
    return Path(named) if named else Path(os.environ.get("PLATEAU_CLINIC") or "clinic.yml").parent / "sign-off.yml"


def signature(path: str | Path | None = None) -> Signature | None:
    """Return the sign-off, also one that no longer fits, or None where there is no file; raises SettingError."""
    file = Path(path) if path else sign_off_file()
    raw = _read(file)
    if raw is None:
        if path or os.environ.get("PLATEAU_SIGN_OFF"):
            raise SettingError(f"{file}: there is no such file; allowed: the path of a sign-off, or none at all")
        return None
    if not isinstance(raw, dict):
        raise SettingError(f"{file}: the whole file: is {type(raw).__name__}; allowed fields: {', '.join(FIELDS)}")
    for name in raw:
        if name not in FIELDS:
            raise SettingError(f"{file}: {name}: is not a field; allowed fields: {', '.join(FIELDS)}")
    for name in FIELDS:
        if name not in raw:
            raise SettingError(f"{file}: {name}: is missing; needed fields: {', '.join(FIELDS)}")
    clinician, role, registration = (_text(file, name, raw[name]) for name in FIELDS[:3])
    marked = _marked(file, raw["fingerprint"])
    return Signature(clinician, role, registration, _date(file, raw["date"]), marked, marked == _running())


def signed() -> Signature | None:
    """Return the sign-off of what runs, or None where nobody signed or it changed since; raises SettingError."""
    found = signature()
    return found if found and found.current else None


@cache
def _running() -> str:
    """Return the fingerprint of what this process has loaded; a file changed later counts from the next start."""
    return running()


def _read(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingError(f"{file}: cannot be read: {error.strerror}; allowed: a readable file") from None
    except UnicodeDecodeError:
        raise SettingError(f"{file}: is not UTF-8; allowed: YAML in UTF-8") from None
    try:
        # An empty file is a mistake, not a missing one.
        return yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError) as error:
        raise SettingError(f"{file}: is not valid YAML: {' '.join(str(error).split())}") from None


def _text(file: Path, name: str, value: Any) -> str:
    plain = isinstance(value, str) and value.strip() and len(value) <= LONGEST_TEXT and not _CONTROL.search(value)
    if not plain:
        allowed = f"one line of 1 to {LONGEST_TEXT} characters, a number in quotes"
        raise SettingError(f"{file}: {name}: {value!r} is not allowed; allowed: {allowed}")
    return str(value).strip()


def _date(file: Path, value: Any) -> str:
    if not isinstance(value, datetime.date) or isinstance(value, datetime.datetime):
        raise SettingError(f"{file}: date: {value!r} is not allowed; allowed: a date such as 2026-11-23")
    return value.isoformat()


def _marked(file: Path, value: Any) -> str:
    if not isinstance(value, str) or not _FINGERPRINT.fullmatch(value):
        allowed = "the 64 small letters and digits that `plateau rules --fingerprint` prints"
        raise SettingError(f"{file}: fingerprint: {value!r} is not allowed; allowed: {allowed}")
    return value
