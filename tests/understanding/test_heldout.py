"""The held-out messages: apart from what is trained on, and read no worse than they were."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rapidfuzz import fuzz, process

from plateau.understanding._lessons import load_lessons
from plateau.understanding.listener._lessons import load_told

ROOT = Path(__file__).parents[2]
HELDOUT = Path(__file__).with_name("heldout")
SHARED = ROOT.parent / "shared" / "eval"
sys.path.insert(0, str(ROOT / "scripts"))

from scoring import ALARM, alarm_allowed, highest, rank, reading_is_right  # noqa: E402

Read = Callable[[str, str | None], dict[str, Any]]

# file -> the least share of answers and of digressions read right: a little below what was measured.
READING = {"reading_hard.jsonl": (0.78, 0.80), "reading_blind.jsonl": (0.87, 0.87), "reading_sms.jsonl": (0.95, 0.95)}
# file -> the least share of emergencies heard as such, of dangers heard at all, the most false alarms.
RED_FLAGS = {
    "red_flags_hard.jsonl": (0.95, 0.94, 0.08),
    "red_flags_blind.jsonl": (0.89, 0.85, 0.03),
    "red_flags_blind2.jsonl": (0.94, 0.92, 0.03),
    "red_flags_sms.jsonl": (1.0, 0.97, 0.03),
}
NEAR = 92


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]


def plain(text: str) -> str:
    return " ".join(re.sub(r"[^a-z0-9 ]", " ", text.lower().replace("'", "").replace("’", "")).split())


def trained_on() -> Iterator[str]:
    yield from (lesson.text for lesson in load_lessons())
    yield from (told.text for told in load_told())
    for path in (ROOT / "data" / "nlu").glob("*.yml"):
        for group in yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)["nlu"]:
            yield from (line.strip().removeprefix("- ") for line in group.get("examples", "").splitlines())


def test_no_message_is_trained_on() -> None:
    known = sorted({plain(text) for text in trained_on()})
    files = [*HELDOUT.glob("*.jsonl"), *(SHARED.glob("re*.jsonl") if SHARED.is_dir() else ())]
    # Shorter ones ("no idea", "hiya") are what everybody says.
    texts = sorted({plain(line["text"]) for path in files for line in lines(path) if len(line["text"].split()) >= 4})
    copied = set(texts) & set(known)
    near = process.cdist(texts, known, scorer=fuzz.ratio, score_cutoff=NEAR, workers=-1, dtype="uint8").max(axis=1)
    assert copied == set()
    assert [text for text, score in zip(texts, near, strict=True) if score] == []


@pytest.mark.parametrize(("name", "floors"), READING.items())
def test_reads_as_well_as_measured(read: Read, name: str, floors: tuple[float, float]) -> None:
    done = [{**line, **read(line["text"], line["question"])} for line in lines(HELDOUT / name)]
    answers = [reading_is_right(line) for line in done if "intent" not in line["expect"]]
    digressions = [reading_is_right(line) for line in done if "intent" in line["expect"]]
    ordinary = [highest(line) >= ALARM for line in done if not alarm_allowed(line["expect"])]
    assert sum(answers) >= floors[0] * len(answers)
    assert not digressions or sum(digressions) >= floors[1] * len(digressions)
    assert sum(ordinary) <= 0.025 * len(ordinary)


@pytest.mark.parametrize(("name", "floors"), RED_FLAGS.items())
def test_hears_as_well_as_measured(read: Read, name: str, floors: tuple[float, float, float]) -> None:
    done = [{**line, **read(line["text"], None)} for line in lines(HELDOUT / name)]
    dangers = [line for line in done if line["expect"]["tier"]]
    emergencies = [line for line in dangers if line["expect"]["tier"] == "emergency"]
    false = [line for line in done if not line["expect"]["tier"] and highest(line) >= ALARM]
    assert sum(highest(line) == rank("emergency") for line in emergencies) >= floors[0] * len(emergencies)
    assert sum(highest(line) >= ALARM for line in dangers) >= floors[1] * len(dangers)
    assert len(false) <= floors[2] * (len(done) - len(dangers))
