#!/usr/bin/env python3
"""Trains the listener's ear from the examples beside its rules and from ordinary messages: answers and data/nlu.

It is kept apart from Rasa's model: the safety net listens also when that one is missing or broken.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

from plateau.understanding._lessons import load_lessons
from plateau.understanding.listener import WEIGHTS
from plateau.understanding.listener._lessons import learn, load_told

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    answers = (lesson.text for lesson in load_lessons())
    ordinary = list(dict.fromkeys((*answers, *_said(ROOT / "data" / "nlu"))))
    learned = learn(load_told(), ordinary)
    shutil.rmtree(WEIGHTS, ignore_errors=True)
    WEIGHTS.mkdir()
    learned.save(WEIGHTS)


def _said(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.yml")):
        for group in yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader).get("nlu", []):
            for line in group.get("examples", "").splitlines():
                yield line.strip().removeprefix("- ")


if __name__ == "__main__":
    main()
