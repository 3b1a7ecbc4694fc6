#!/usr/bin/env python3
"""Times one reading, part by part, on the held-out messages: ratios in one run, and milliseconds of this machine."""

from __future__ import annotations

import json
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from plateau.understanding import Reader
from plateau.understanding._learned import Learned
from plateau.understanding.listener import Ear, Listener, listen_plainly

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "models" / "plateau.tar.gz"
HELDOUT = ROOT / "tests" / "understanding" / "heldout"
TARGET_MS = 5.0


def main() -> None:
    lines = [
        json.loads(line) for path in sorted(HELDOUT.glob("reading*.jsonl")) for line in path.open(encoding="utf-8")
    ]
    messages = [(line["text"], line["question"]) for line in lines]
    by_rules, trained = Listener(), Reader(learned=_learned())
    by_ear = Listener(Ear.load())
    parts: dict[str, Callable[[str, str | None], object]] = {
        "the whole reading": trained.read,
        "listener with the ear": lambda text, _: by_ear.listen(text),
        "listener, rules alone": lambda text, _: by_rules.listen(text),
        "last resort": lambda text, _: listen_plainly(text),
    }
    taken = {name: _times(part, messages) for name, part in parts.items()}
    whole = statistics.median(taken["the whole reading"])
    print(f"{len(messages)} messages; target for a reading: under {TARGET_MS:g} ms\n")
    for name, times in taken.items():
        median, p95 = statistics.median(times), sorted(times)[int(0.95 * len(times))]
        print(f"{name:24} median {median:5.2f} ms   p95 {p95:5.2f} ms   {median / whole:4.2f} of a reading")


def _learned() -> Learned:
    """Return what the trained model holds for the reader."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(MODEL) as archive:
        archive.extractall(folder, filter="data")
        heads = next(path.parent for path in Path(folder).rglob("rarity.npz"))
        return Learned.load(heads)


def _times(part: Callable[[str, str | None], object], messages: list[tuple[str, str | None]]) -> list[float]:
    for text, question in messages[:50]:
        part(text, question)
    times = []
    for text, question in messages:
        started = time.perf_counter()
        part(text, question)
        times.append(1000 * (time.perf_counter() - started))
    return times


if __name__ == "__main__":
    main()
