#!/usr/bin/env python3
"""Checks every locked package against a list of known vulnerabilities that is really read, and dated.

    python3 scripts/audit.py --list PyPI.zip --list npm.zip

A list is an export of the OSV database (one JSON record a file, in a zip or a folder), a path or an https:// address;
also PLATEAU_ADVISORIES, with commas. Ends with
0  every package was checked, and what is known of them is accepted in security/exceptions.yml
1  something is known of a package and not accepted
3  NOTHING IS AUDITED: no list, one that cannot be read or knows no famous hole, or a package that cannot be judged
4  NOTHING IS AUDITED: the list is too old
5  the exceptions are wrong: a field, one that has ended, one that nothing needs
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
import urllib.request
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml
from locked import NPM, PYPI, Package, packages, plain
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parent.parent
EXCEPTIONS = ROOT / "security" / "exceptions.yml"
FOUND, UNREAD, OLD, WRONG = 1, 3, 4, 5
MOST_DAYS = 7
FIELDS = {"package", "version", "advisory", "why", "who", "until", "verified"}
# Old releases with famous holes: a list that does not know them is none.
PROBES = (Package(PYPI, "jinja2", "2.4.1", (), ""), Package(NPM, "lodash", "4.17.11", (), ""))


class AuditError(Exception):
    """The audit did not take place, or its exceptions are wrong; `code` is how the program ends."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one package; `ids` are the advisory's id and its other names."""

    package: Package
    ids: frozenset[str]

    def __str__(self) -> str:
        return f"{self.package.name} {self.package.version} ({self.package.lock}): {', '.join(sorted(self.ids))}"


def audit(locked: Iterable[Package], records: list[Mapping[str, Any]], now: datetime, most_days: int) -> list[Finding]:
    """Return what is known of the packages; raises AuditError where that cannot be said."""
    if not records:
        raise AuditError(UNREAD, "the list is empty")
    known: dict[tuple[str, str], list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = {}
    newest = datetime.fromtimestamp(0, UTC)
    for record in records:
        newest = max(newest, _time(record))
        for affected in record.get("affected", ()) if "withdrawn" not in record else ():
            about = affected.get("package", {})
            known.setdefault(_key(str(about.get("ecosystem")), str(about.get("name"))), []).append((record, affected))
    for probe in PROBES:
        if not _known(probe, known):
            raise AuditError(
                UNREAD, f"the list does not know {probe.name} {probe.version} of {probe.ecosystem}: it is none"
            )
    if (age := (now - newest).days) > most_days:
        raise AuditError(OLD, f"the newest entry of the list is {age} days old; allowed: {most_days}")
    return [finding for package in locked for finding in _known(package, known)]


def settle(findings: list[Finding], accepted: list[Mapping[str, Any]], today: date) -> list[Finding]:
    """Return the findings that nobody has accepted; raises AuditError for an exception that ended or is not needed."""
    needed: set[int] = set()
    left = []
    for finding in findings:
        fits = [number for number, one in enumerate(accepted) if _accepts(one, finding)]
        needed.update(fits)
        if not fits:
            left.append(finding)
    for number, one in enumerate(accepted):
        if one["until"] < today:
            raise AuditError(WRONG, f"{one['package']}: {one['advisory']}: the exception ended on {one['until']}")
        if number not in needed:
            raise AuditError(
                WRONG, f"{one['package']} {one['version']}: {one['advisory']}: nothing needs this exception"
            )
    return left


def _accepts(one: Mapping[str, Any], finding: Finding) -> bool:
    named = plain(one["package"]), str(one["version"])
    return named == (finding.package.name, finding.package.version) and one["advisory"] in finding.ids


def exceptions(file: Path) -> list[Mapping[str, Any]]:
    """Return the accepted advisories; raises AuditError for a wrong field."""
    try:
        raw = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise AuditError(WRONG, f"{file}: cannot be read: {error}") from None
    if not isinstance(raw, list):
        raise AuditError(WRONG, f"{file}: must be a list")
    for one in raw:
        name = one.get("package") if isinstance(one, dict) else one
        if not isinstance(one, dict) or set(one) != FIELDS:
            raise AuditError(WRONG, f"{file}: {name}: must have exactly {', '.join(sorted(FIELDS))}")
        if not isinstance(one["until"], date):
            raise AuditError(WRONG, f"{file}: {name}: until: is not a date such as 2027-03-31")
        if not isinstance(one["verified"], bool):
            raise AuditError(WRONG, f"{file}: {name}: verified: must be true or false")
        if empty := [
            field for field in ("package", "version", "advisory", "why", "who") if not str(one[field]).strip()
        ]:
            raise AuditError(WRONG, f"{file}: {name}: {empty[0]}: is empty")
    return raw


def read_list(place: str) -> Iterator[Mapping[str, Any]]:
    """Yield the records of one list; raises AuditError."""
    try:
        for text in _texts(place):
            record = json.loads(text)
            if not isinstance(record, dict) or "id" not in record:
                raise ValueError("a record without id")
            yield record
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise AuditError(UNREAD, f"{place}: cannot be read: {error}") from None


def _texts(place: str) -> Iterator[bytes]:
    if place.startswith("https://"):
        with urllib.request.urlopen(place, timeout=300) as response:  # noqa: S310
            yield from _zipped(io.BytesIO(response.read()))
    elif Path(place).is_dir():
        for file in sorted(Path(place).rglob("*.json")):
            yield file.read_bytes()
    else:
        yield from _zipped(Path(place))


def _zipped(file: Path | io.BytesIO) -> Iterator[bytes]:
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if name.endswith(".json"):
                yield archive.read(name)


def _key(ecosystem: str, name: str) -> tuple[str, str]:
    return ecosystem, plain(name) if ecosystem == PYPI else name


def _known(package: Package, known: Mapping[Any, Any]) -> list[Finding]:
    return [
        Finding(package, frozenset({record["id"], *record.get("aliases", ())}))
        for record, affected in known.get(_key(package.ecosystem, package.name), ())
        if _hit(package, affected)
    ]


def _hit(package: Package, affected: Mapping[str, Any]) -> bool:
    ranges = [one for one in affected.get("ranges", ()) if one.get("type") in ("ECOSYSTEM", "SEMVER")]
    versions = affected.get("versions", ())
    # An entry that names no versions is about all of them.
    return package.version in versions or any(_within(package, one) for one in ranges) or not (ranges or versions)


def _within(package: Package, events: Mapping[str, Any]) -> bool:
    order = _version if package.ecosystem == PYPI else _semver
    here, inside = order(package.version), False
    given = [(name, value) for event in events.get("events", ()) for name, value in event.items() if name != "limit"]
    for name, value in sorted(given, key=lambda event: (event[1] != "0", order(event[1]) if event[1] != "0" else here)):
        at = None if value == "0" else order(value)
        if name == "introduced" and (at is None or here >= at):
            inside = True
        elif at is not None and ((name == "fixed" and here >= at) or (name == "last_affected" and here > at)):
            inside = False
    return inside


def _version(text: str) -> Any:
    try:
        return Version(text)
    except InvalidVersion:
        raise AuditError(UNREAD, f"{text!r} is no version that can be compared: a package would be skipped") from None


def _semver(text: str) -> Any:
    found = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)(?:-([\w.-]+))?(?:\+[\w.-]+)?", text)
    if found is None:
        raise AuditError(UNREAD, f"{text!r} is no version that can be compared: a package would be skipped")
    early = [(part.isalpha(), int(part) if part.isdigit() else 0, part) for part in (found[4] or "").split(".") if part]
    return (*(int(part) for part in found.groups()[:3]), not early, early)


def _time(record: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromisoformat(str(record["modified"]).replace("Z", "+00:00"))
    except (KeyError, ValueError):
        raise AuditError(UNREAD, f"{record.get('id')}: has no date") from None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="append", metavar="PLACE", help="a list of vulnerabilities; again for more")
    parser.add_argument("--exceptions", type=Path, default=EXCEPTIONS)
    parser.add_argument("--root", type=Path, default=ROOT, help="where the lock files are")
    parser.add_argument("--most-days", type=int, default=MOST_DAYS, help="how old a list may be (default: %(default)s)")
    options = parser.parse_args(arguments)
    places = options.list or [one for one in os.environ.get("PLATEAU_ADVISORIES", "").split(",") if one.strip()]
    now = datetime.now(UTC)
    try:
        accepted = exceptions(options.exceptions)
        if not places:
            raise AuditError(UNREAD, "no list is given: --list PLACE or PLATEAU_ADVISORIES")
        try:
            locked = packages(options.root)
        except (OSError, ValueError, KeyError) as error:
            raise AuditError(UNREAD, f"the lock files cannot be read: {error}") from None
        findings = audit(locked, [record for place in places for record in read_list(place)], now, options.most_days)
        left = settle(findings, accepted, now.date())
    except AuditError as error:
        print(f"audit: {'NOTHING IS AUDITED: ' if error.code in (UNREAD, OLD) else ''}{error}", file=sys.stderr)
        return error.code
    for finding in left:
        print(finding)
    told = f"{len(locked)} locked packages checked, {len(findings)} advisories, {len(left)} not accepted"
    print(f"audit: {told}", file=sys.stderr)
    return FOUND if left else 0


if __name__ == "__main__":
    sys.exit(main())
