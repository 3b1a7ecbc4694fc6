"""10,000 fuzzed and mutated messages: none raises, none leaves anything but valid answers in the record."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plateau.protocol import QUESTIONS, validate
from plateau.understanding.listener._rules import FLAGS, TIERS

HELDOUT = Path(__file__).with_name("heldout")
MESSAGES = 10_000
ASKED: tuple[str | None, ...] = (None, "red_flags", *(name for name, asked in QUESTIONS.items() if asked.record))
NOISE = (
    "qwrtp zxcvb", "asdf jkl", "🙂🙃", "lorem ipsum dolor sit", "zzz", "....", "%%% ###", "\x00\x01", "ﷺ", "‮abc", "٣٤",
    "<b>hi</b>", "{{7*7}}", "' or 1=1 --", "/restart", "NaN", "1e309", "-1", "٪", "｜", "a" * 3000,
)  # fmt: skip
# Where any words are the patient's own.
OWN_WORDS = ("text", "activities")
# Letters that make no English word: whatever is asked, nothing can be read from them.
EMPTY = ("xqzv", "wvxk", "qqjx", "zvkq", "jxwq", "kqzx")


def seeds() -> list[str]:
    return [
        json.loads(line)["text"] for path in sorted(HELDOUT.glob("*.jsonl")) for line in path.open(encoding="utf-8")
    ]


def mutated(text: str, dice: random.Random) -> str:
    """Return the text after one to four slips: letters and words lost, doubled, swapped or changed, noise put in."""
    for _ in range(dice.randint(1, 4)):
        words = text.split(" ")
        at = dice.randrange(len(words))
        match dice.randrange(7):
            case 0:
                del words[at]
            case 1:
                words.insert(at, dice.choice(NOISE))
            case 2:
                words[at] = words[at][::-1]
            case 3:
                dice.shuffle(words)
            case 4:
                words[at] = words[at] * dice.randint(2, 9)
            case 5:
                words[at] = "".join(chr(dice.randint(1, 0x2FFF)) if dice.random() < 0.3 else c for c in words[at])
            case _:
                words.insert(at, str(dice.choice((dice.randint(-(10**9), 10**9), dice.random() * 1e6))))
        text = " ".join(words) or "x"
    return text


def messages() -> Iterator[tuple[str, str | None]]:
    dice, texts = random.Random(7), seeds()
    for _ in range(MESSAGES):
        yield mutated(dice.choice(texts), dice), dice.choice(ASKED)


def test_nothing_raises_and_the_record_stays_valid(read: Callable[[str, str | None], dict[str, Any]]) -> None:
    count = 0
    for text, question in messages():
        reading = read(text, question)
        assert set(reading["answers"]) <= {*QUESTIONS, "red_flags"}, (text, question)
        for name, value in reading["answers"].items():
            if name in QUESTIONS and value is not None:
                taken = validate(name, value)
                assert (
                    (set(taken) == set(value))
                    if isinstance(value, list) and QUESTIONS[name].kind == "multi"
                    else taken == value
                )
        for flag in reading["red_flags"]:
            assert flag["id"] in FLAGS and flag["tier"] in TIERS and flag["state"] == "reported", (text, question)
        count += 1
    assert count == MESSAGES


@pytest.mark.parametrize(
    "question", [name for name in ASKED if name in QUESTIONS and QUESTIONS[name].kind not in OWN_WORDS]
)
def test_nothing_is_read_from_no_words(read: Callable[[str, str | None], dict[str, Any]], question: str) -> None:
    dice = random.Random(question)
    for length in (1, 2, 4):
        text = " ".join(dice.choice(EMPTY) for _ in range(length))
        reading = read(text, question)
        assert {name: v for name, v in reading["answers"].items() if v not in ("unknown", "skipped")} == {}, text
        assert reading["red_flags"] == [], text
