#!/usr/bin/env python3
"""Prints the bill of materials, CycloneDX 1.5 as JSON: every package of the lock files with version and hashes.

python3 scripts/sbom.py > sbom.json
"""

from __future__ import annotations

import json
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from locked import Package, packages

ROOT = Path(__file__).resolve().parent.parent
ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512", "sha1": "SHA-1"}


def bill(locked: list[Package], made: datetime) -> dict[str, Any]:
    """Return the bill; a package of several lock files stands in it once."""
    merged: dict[str, list[Package]] = {}
    for package in locked:
        merged.setdefault(package.purl, []).append(package)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": made.isoformat(timespec="seconds"),
            "component": {"type": "application", "bom-ref": "plateau", "name": "plateau"},
        },
        "components": [
            {
                "type": "library",
                "bom-ref": purl,
                "name": same[0].name,
                "version": same[0].version,
                "purl": purl,
                "hashes": [{"alg": ALGORITHMS[kind], "content": value} for kind, value in hashes(same)],
                "properties": [
                    {"name": "plateau:lock", "value": lock} for lock in dict.fromkeys(one.lock for one in same)
                ],
            }
            for purl, same in sorted(merged.items())
        ],
    }


def hashes(same: list[Package]) -> list[tuple[str, str]]:
    """Return the hashes of one package in all lock files, each once: one for this machine names fewer files."""
    return sorted({each for package in same for each in package.hashes})


if __name__ == "__main__":
    json.dump(bill(packages(ROOT), datetime.now(UTC)), sys.stdout, indent=2)
