#!/usr/bin/env python3
"""The long form of the fuzz tests: hostile requests, Schemathesis, hostile files; counts into docs/fuzz.json.

Ends with 1 when anything was found. `--inputs N` sends another number.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "security")]

from described_fuzz import counts, drive  # noqa: E402
from hostile_files import feed  # noqa: E402
from hostile_run import slow_callers, under_attack  # noqa: E402

RESULT = ROOT / "docs" / "fuzz.json"
EXAMPLES, FILES, SLOW = 100, 300, 100


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000, help="hostile requests (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=20_261_128)
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, under_attack(Path(folder) / "data") as run:
        result = run.go(options.seed, options.inputs)
        with slow_callers(run.server, SLOW):
            slow = run.server.call("GET", "/ready")
        report = drive(run.server, EXAMPLES, options.seed, Path(folder))
        wrong = feed(Path(folder), options.seed, FILES)
        alive = run.server.alive()
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "seed": options.seed,
        "seconds": round(time.monotonic() - started),
        "http": result.counts(),
        "slow_callers": {"connections": SLOW, "ready_answered": slow.status, "seconds": round(slow.seconds, 2)},
        "schemathesis": counts(report),
        # As many again of each of the three kinds.
        "files": {"inputs": 3 * FILES, "faults": len(wrong)},
        "server_alive_at_the_end": alive,
    }
    RESULT.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    print(json.dumps(found, indent=2))
    for fault in (*result.faults, *wrong, *map(str, report["failures"])):
        print(f"FAULT {fault}", file=sys.stderr)
    faults = len(result.faults) + len(wrong) + found["schemathesis"]["faults"]
    return 1 if faults or not alive or slow.status != 200 else 0


if __name__ == "__main__":
    sys.exit(main())
