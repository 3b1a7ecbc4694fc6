"""What the lock files hold: every package of Python's and npm's with its version and hashes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PYPI, NPM = "PyPI", "npm"
_PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[\w,.-]+\])?==([^\s;\\]+)")
_HASH = re.compile(r"--hash=([a-z0-9]+):([0-9a-f]+)")


@dataclass(frozen=True, slots=True)
class Package:
    """One locked package; `hashes` are (algorithm, hex), `lock` is the file that holds it."""

    ecosystem: str
    name: str
    version: str
    hashes: tuple[tuple[str, str], ...]
    lock: str

    @property
    def purl(self) -> str:
        kind = "pypi" if self.ecosystem == PYPI else "npm"
        return f"pkg:{kind}/{self.name.replace('@', '%40')}@{self.version}"


def packages(root: Path) -> list[Package]:
    """Return the packages of every lock file below `root`; raises ValueError for a line that is not understood."""
    found: list[Package] = []
    for lock in sorted(root.glob("requirements*.lock")):
        found += _python(lock)
    found += _npm(root / "web" / "package-lock.json")
    return found


def plain(name: str) -> str:
    """A Python package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _python(lock: Path) -> Iterator[Package]:
    for entry in re.split(r"(?<!\\)\n", lock.read_text("utf-8")):
        if not entry.strip() or entry.startswith("#"):
            continue
        pinned, hashes = _PINNED.match(entry), tuple(_HASH.findall(entry))
        if pinned is None or not hashes:
            raise ValueError(f"{lock.name}: {entry.splitlines()[0]!r:.80} is not pinned with hashes")
        yield Package(PYPI, plain(pinned[1]), pinned[2], hashes, lock.name)


def _npm(lock: Path) -> Iterator[Package]:
    for place, entry in json.loads(lock.read_text("utf-8"))["packages"].items():
        if not place:
            continue
        algorithm, _, digest = entry["integrity"].partition("-")
        hexed = base64.b64decode(digest).hex()
        yield Package(NPM, place.rpartition("node_modules/")[2], entry["version"], ((algorithm, hexed),), lock.name)
