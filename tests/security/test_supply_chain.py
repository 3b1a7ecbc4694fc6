"""The audit audits, or says that it did not; the bill of materials has every locked package with its hashes.

The lists here are doctored ones: where Plateau is developed no real list can be read, so CI claims no audit.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import audit  # noqa: E402
import sbom  # noqa: E402
from locked import NPM, PYPI, Package, packages  # noqa: E402

NOW = datetime.now(UTC)
LOCK = "alpha==1.5.0 ; python_version == '3.11' \\\n    --hash=sha256:" + "a" * 64 + "\n"
NPM_LOCK = {"packages": {"": {}, "node_modules/@b/beta": {"version": "2.0.0-rc.1", "integrity": "sha512-YQ=="}}}


def record(name: str, ecosystem: str = PYPI, identifier: str = "X-1", **affected: Any) -> dict[str, Any]:
    about = {"package": {"name": name, "ecosystem": ecosystem}, **(affected or {"versions": ["1.5.0", "2.0.0-rc.1"]})}
    return {"id": identifier, "aliases": [f"CVE-{identifier}"], "modified": NOW.isoformat(), "affected": [about]}


PROBES = [
    record("jinja2", identifier="P-1", versions=["2.4.1"]),
    record("lodash", NPM, "P-2", ranges=[{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "4.17.12"}]}]),
]


class Place:
    """A folder with lock files, a list and exceptions, and the audit of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.exceptions = folder, folder / "exceptions.yml"
        (folder / "web").mkdir()
        (folder / "requirements.lock").write_text(LOCK)
        (folder / "web" / "package-lock.json").write_text(json.dumps(NPM_LOCK))
        self.accept()

    def accept(self, *ones: dict[str, Any]) -> None:
        self.exceptions.write_text(json.dumps(ones, default=str) if ones else "[]")

    def audit(self, *records: dict[str, Any]) -> int:
        file = self.folder / "list.zip"
        with zipfile.ZipFile(file, "w") as archive:
            for number, one in enumerate(records):
                archive.writestr(f"{number}.json", json.dumps(one))
        return self.run("--list", str(file))

    def run(self, *arguments: str) -> int:
        return audit.main([*arguments, "--root", str(self.folder), "--exceptions", str(self.exceptions)])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def accepted(**changes: Any) -> str:
    until = (NOW + timedelta(days=30)).date().isoformat()
    one = {"package": "alpha", "version": "1.5.0", "advisory": "CVE-X-1", "why": "w", "who": "us", "until": until}
    lines = [f"{name}: {value}" for name, value in ({**one, "verified": "true"} | changes).items()]
    return "- " + "\n  ".join(lines) + "\n"


# ---------------------------------------------------------------- an audit that did not take place fails


def test_without_a_list_nothing_is_audited(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PLATEAU_ADVISORIES", raising=False)
    assert place.run() == audit.UNREAD
    assert "NOTHING IS AUDITED: no list is given" in capsys.readouterr().err


UNREAD: list[tuple[str, Callable[[Place], int], int]] = [
    ("a list that is not there", lambda place: place.run("--list", "/nowhere/list.zip"), audit.UNREAD),
    ("an empty list", lambda place: place.audit(), audit.UNREAD),
    ("a list of one kind of packages", lambda place: place.audit(PROBES[0]), audit.UNREAD),
    ("a list that knows no famous hole", lambda place: place.audit(record("alpha")), audit.UNREAD),
    ("a record without id", lambda place: place.audit(*PROBES, {"modified": NOW.isoformat()}), audit.UNREAD),
    ("a record without date", lambda place: place.audit(*PROBES, {"id": "X-2"}), audit.UNREAD),
    ("a list of last year", lambda place: place.audit(*[{**one, "modified": "2025-11-01T00:00:00Z"} for one in PROBES]),
     audit.OLD),
]  # fmt: skip


@pytest.mark.parametrize(("run", "code"), [pytest.param(*row[1:], id=row[0]) for row in UNREAD])
def test_a_list_that_is_none_fails_with_its_own_code(
    place: Place, capsys: pytest.CaptureFixture[str], run: Callable[[Place], int], code: int
) -> None:
    assert run(place) == code
    assert "NOTHING IS AUDITED" in capsys.readouterr().err


@pytest.mark.parametrize("lock", ["alpha==1.5.0\n", "alpha>=1 --hash=sha256:aa\n", "git+https://x/y\n"])
def test_a_package_that_is_not_pinned_with_hashes_is_not_skipped(place: Place, lock: str) -> None:
    (place.folder / "requirements.lock").write_text(lock)
    assert place.audit(*PROBES) == audit.UNREAD


def test_a_version_that_cannot_be_compared_is_not_skipped(place: Place) -> None:
    (place.folder / "requirements.lock").write_text(LOCK.replace("1.5.0", "one.five"))
    fixed = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}]
    assert place.audit(*PROBES, record("alpha", ranges=fixed)) == audit.UNREAD


# ---------------------------------------------------------------- what is known is found


def test_a_clean_list_is_clean_and_says_how_much_was_checked(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.audit(*PROBES) == 0
    assert "2 locked packages checked, 0 advisories" in capsys.readouterr().err


def span(*events: dict[str, str], kind: str = "ECOSYSTEM") -> dict[str, Any]:
    return {"ranges": [{"type": kind, "events": list(events)}]}


RANGES = [
    # what the entry says, whether 1.5.0 is in it
    ({"versions": ["1.5.0"]}, True),
    ({"versions": ["1.5"]}, False),
    (span({"introduced": "0"}), True),
    (span({"introduced": "0"}, {"fixed": "1.5.1"}), True),
    (span({"introduced": "0"}, {"fixed": "1.5"}), False),
    (span({"introduced": "1.5.0"}, {"fixed": "1.6"}), True),
    (span({"introduced": "1.5.1"}), False),
    (span({"introduced": "0"}, {"last_affected": "1.5.0"}), True),
    (span({"introduced": "0"}, {"last_affected": "1.4"}), False),
    (span({"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "1.2"}, {"fixed": "1.10"}), True),
    (span({"fixed": "1.10"}, {"introduced": "1.2"}, {"fixed": "1.0"}, {"introduced": "0"}), True),
    (span({"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "1.6"}), False),
    (span({"introduced": "0"}, {"fixed": "abc"}, kind="GIT"), True),
    ({"versions": []}, True),
]


@pytest.mark.parametrize(("affected", "hit"), RANGES, ids=str)
def test_a_known_vulnerability_is_found_in_its_versions(place: Place, affected: dict[str, Any], hit: bool) -> None:
    assert place.audit(*PROBES, record("Alpha", **affected)) == (audit.FOUND if hit else 0)


@pytest.mark.parametrize(
    ("fixed", "hit"), [("2.0.0", True), ("2.0.0-rc.1", False), ("2.0.0-rc.2", True), ("1.9.9", False)]
)
def test_a_release_candidate_of_npm_comes_before_its_release(place: Place, fixed: str, hit: bool) -> None:
    entry = record("@b/beta", NPM, **span({"introduced": "0"}, {"fixed": fixed}, kind="SEMVER"))
    assert place.audit(*PROBES, entry) == (audit.FOUND if hit else 0)


def test_what_was_withdrawn_and_what_is_of_others_is_not_found(place: Place) -> None:
    assert place.audit(*PROBES, {**record("alpha"), "withdrawn": NOW.isoformat()}, record("alpha", NPM)) == 0


# ---------------------------------------------------------------- exceptions


def test_what_is_accepted_passes(place: Place) -> None:
    place.exceptions.write_text(accepted())
    assert place.audit(*PROBES, record("alpha")) == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"until": "2020-01-01"}, "the exception ended on 2020-01-01"),
        ({"version": "1.4.0"}, "nothing needs this exception"),
        ({"advisory": "CVE-X-9"}, "nothing needs this exception"),
        ({"until": "soon"}, "until: is not a date"),
        ({"why": '""'}, "why: is empty"),
        ({"verified": "maybe"}, "verified: must be true or false"),
        ({"note": "x"}, "must have exactly"),
    ],
    ids=str,
)
def test_an_exception_that_does_not_hold_fails_with_its_own_code(
    place: Place, capsys: pytest.CaptureFixture[str], changes: dict[str, str], said: str
) -> None:
    place.exceptions.write_text(accepted(**changes))
    assert place.audit(*PROBES, record("alpha")) == audit.WRONG
    assert said in capsys.readouterr().err


def test_our_exceptions_are_of_packages_that_are_locked() -> None:
    held = {(package.name, package.version) for package in packages(ROOT) if package.ecosystem == PYPI}
    ours = audit.exceptions(audit.EXCEPTIONS)
    assert ours and {(one["package"], str(one["version"])) for one in ours} <= held


# ---------------------------------------------------------------- the bill of materials


def test_every_locked_package_is_in_the_bill_with_its_hashes() -> None:
    locked = packages(ROOT)
    assert len([one for one in locked if one.ecosystem == PYPI]) > 200 and [
        one for one in locked if one.ecosystem == NPM
    ]
    made = json.loads(json.dumps(sbom.bill(locked, NOW)))
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.5")
    held = {one["purl"]: {part["content"] for part in one["hashes"]} for one in made["components"]}
    for package in locked:
        assert {value for _, value in package.hashes} <= held[package.purl], package.purl
    # What the lock files' own lines name, counted in another way.
    lines = [line for lock in ROOT.glob("requirements*.lock") for line in lock.read_text("utf-8").splitlines()]
    names = {line.partition("==")[0].partition("[")[0].lower() for line in lines if "==" in line and line[0].isalnum()}
    assert names <= {one["name"] for one in made["components"]}


def test_a_package_without_version_or_hash_would_be_noticed() -> None:
    one = Package(PYPI, "alpha", "1.0", (("sha256", "aa"),), "requirements.lock")
    made = sbom.bill([one, one], NOW)["components"]
    assert [(part["purl"], part["hashes"]) for part in made] == [
        ("pkg:pypi/alpha@1.0", [{"alg": "SHA-256", "content": "aa"}])
    ]
