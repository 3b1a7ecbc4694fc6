"""Turns what the training data say of a message into what the reader learns from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from plateau.protocol import QUESTIONS

from ._by_rules import NOT_TOLD
from ._decision import ANSWER, INTENT, LEARNED, NOTHING, TOLD
from ._learned import Example, no_words
from ._reader import Reader

FOLDER = Path(__file__).with_name("examples")


# The cue of a question of which the rules read nothing.
NOTHING_READ = {"reads nothing": 1.0}


class LessonError(ValueError):
    """A file of examples is broken: the message names the file, what is wrong and what is allowed."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One training message: its intent, and for an answer the question asked and what was answered to it."""

    text: str
    intent: str
    question: str | None = None
    values: Sequence[str] | None = None


def load_lessons(folder: Path = FOLDER) -> Iterator[Lesson]:
    """Yield the example answers of a folder, one file a question; raises LessonError."""
    for path in sorted(folder.glob("*.yml")):
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        if path.stem not in QUESTIONS:
            raise LessonError(f"examples/{path.name}: must be named after a question: {', '.join(QUESTIONS)}")
        allowed = QUESTIONS[path.stem].values or (TOLD, NOT_TOLD)
        for named, texts in content.items():
            values = [] if named == NOTHING else str(named).split("+")
            for value in values:
                if value not in allowed:
                    raise LessonError(f"examples/{path.name}: {value!r} is not one of {', '.join(allowed)}")
            for text in texts:
                if not isinstance(text, str):
                    raise LessonError(f"examples/{path.name}: {named}: {text!r} is not a text; put it in quotes")
                yield Lesson(text, ANSWER, path.stem, values)


def lessons_to_examples(lessons: Iterable[Lesson], reader: Reader) -> Mapping[str, Sequence[Example]]:
    """Return the examples of each decision: one of the intents, and one for each question that has answers."""
    heads: dict[str, list[Example]] = {INTENT: []}
    for lesson in lessons:
        seen = reader.seen(lesson.text, lesson.question)
        heads[INTENT].append(Example(seen.plain, seen.intent_cues, frozenset({lesson.intent})))
        if lesson.question in LEARNED and lesson.values is not None:
            values = frozenset(lesson.values or (NOTHING,))
            heads.setdefault(str(lesson.question), []).append(Example(seen.plain, seen.answer_cues, values))
    for name, rows in heads.items():
        rows += no_words(len(rows), {}, ANSWER) if name == INTENT else no_words(len(rows), NOTHING_READ, NOTHING)
    return heads
