#!/usr/bin/env python3
"""Reads labelled messages with the trained model and scores what was read.

Without FILE: those of tests/understanding/heldout, with the tables written to docs/evaluation.md and a picture of the
digressions to docs/confusion.svg. With FILE or a filter nothing is written, unless --out says where.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

from scoring import ALARM, alarm_allowed, highest, rank, reading_is_right

ROOT = Path(__file__).resolve().parent.parent
HELDOUT = ROOT / "tests" / "understanding" / "heldout"
DOCS = ROOT / "docs"
ANSWER, NOTHING = "answer", "nothing"
RED_FLAG_ROWS = (
    "emergency", "same_day", "within_days", "routine", "any escalation", "over by two tiers", "flag named rightly",
    "false alarms",
)  # fmt: skip

Line = dict[str, Any]


class SampleError(ValueError):
    """A labelled file is not as it must be; the message names file, line and what is wrong."""


@dataclass
class Count:
    """How many of how many."""

    right: int = 0
    n: int = 0

    def add(self, right: bool) -> None:
        self.n += 1
        self.right += right

    @property
    def share(self) -> float:
        return self.right / max(self.n, 1)

    def __str__(self) -> str:
        return f"{self.right}/{self.n}"


class Table(defaultdict[str, Count]):
    """Counts by name."""

    def __init__(self) -> None:
        super().__init__(Count)

    def total(self) -> Count:
        return Count(sum(count.right for count in self.values()), sum(count.n for count in self.values()))

    def worst_first(self) -> list[tuple[str, Count]]:
        return sorted(self.items(), key=lambda row: (row[1].share, row[0]))


@dataclass
class Scores:
    """What an evaluation gives."""

    answers: Table = field(default_factory=Table)
    digressions: Table = field(default_factory=Table)
    red_flags: Table = field(default_factory=Table)
    alarms: Count = field(default_factory=Count)
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    misses: list[Line] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        tables = {"answers": self.answers, "digressions": self.digressions, "red_flags": self.red_flags}
        return {
            "totals": {"answers": self.answers.total().share, "digressions": self.digressions.total().share},
            **{
                title: {name: {"right": count.right, "n": count.n} for name, count in table.items()}
                for title, table in tables.items()
            },
            "alarms_on_ordinary": {"alarms": self.alarms.right, "n": self.alarms.n},
            "misses": len(self.misses),
        }


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate; returns 2 where the sample or the model cannot be read."""
    # As the `plateau` command does: Rasa reports errors to its makers unless told not to; TensorFlow talks.
    os.environ.setdefault("RASA_TELEMETRY_ENABLED", "false")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    options = _parser().parse_args(argv)
    files = options.file or [
        file for kind in ("reading", "red_flags") for file in sorted(HELDOUT.glob(f"{kind}*.jsonl"))
    ]
    if not files:
        return _refused(f"no reading*.jsonl or red_flags*.jsonl in {HELDOUT.relative_to(ROOT)}; name a FILE")
    try:
        lines = labelled(files)
    except (OSError, SampleError) as error:
        return _refused(str(error))
    lines = [line for line in lines if _wanted(line, options.question, options.digression)]
    if not lines:
        return _refused("no message of the sample is of this question and digression")
    if not Path(options.model).is_file():
        return _refused(f"{options.model}: there is no trained model; run `make setup`")
    scores = score(read(lines, options.model))
    filtered = options.file or options.question or options.digression
    out = options.out or (None if filtered else DOCS)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "evaluation.md").write_text(page(scores, date.today()), encoding="utf-8")
        (out / "confusion.svg").write_text(draw(scores.confusion), encoding="utf-8")
    for text in _printed(scores, options):
        print(text)
    return 0


def labelled(files: Iterable[Path]) -> list[Line]:
    """Return the lines of labelled files; raises SampleError naming file and line."""
    lines = []
    for file in files:
        for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            if text.strip():
                lines.append(_labelled(text, f"{file}, line {number}"))
    return lines


def read(lines: Iterable[Line], model: str) -> list[Line]:
    """Return each line with what the trained model reads from it, as `plateau read` gives it."""
    from plateau.cli.read import load, read_line

    reader = load(model)
    return [read_line(line, reader) for line in lines]


def score(lines: Iterable[Line]) -> Scores:
    """Return the scores of lines that carry both their label and what was read."""
    scores = Scores()
    for line in lines:
        if not (_score_red_flag if "tier" in line["expect"] else _score_reading)(line, scores):
            scores.misses.append(line)
    return scores


def _score_reading(line: Line, scores: Scores) -> bool:
    want, right = line["expect"], reading_is_right(line)
    if "intent" in want:
        scores.digressions[want["intent"]].add(right)
    else:
        scores.answers[line["question"] or "volunteered"].add(right)
    if not alarm_allowed(want):
        scores.alarms.add(highest(line) >= ALARM)
    scores.confusion[_named(want, "free" in want or want.get("vague")), _named(line)] += 1
    return right


def _score_red_flag(line: Line, scores: Scores) -> bool:
    want, got = line["expect"], highest(line)
    if want["tier"] is None:
        scores.red_flags["false alarms"].add(got >= ALARM)
        return got < ALARM
    label = rank(want["tier"])
    heard = {flag.get("id") for flag in line.get("red_flags") or [] if isinstance(flag, dict)}
    scores.red_flags[want["tier"]].add(got >= label)
    scores.red_flags["any escalation"].add(got >= ALARM)
    scores.red_flags["over by two tiers"].add(got > label + 1)
    scores.red_flags["flag named rightly"].add(bool(heard & {want["flag"], *want.get("also", [])}))
    return label <= got <= label + 1


def _named(said: Mapping[str, Any], answers_anyway: Any = False) -> str:
    """Return what a label or a reading takes a message for: a digression, an answer or nothing."""
    return said.get("intent") or (ANSWER if said.get("answers") or answers_anyway else NOTHING)


def page(scores: Scores, today: date) -> str:
    """Return the scores as a page of tables."""
    answers, digressions, red_flags = scores.answers.total(), scores.digressions.total(), scores.red_flags
    parts = [
        "# Evaluation",
        f"Made by `make evaluate` on {today.isoformat()}; not edited. `docs/testing.md` says how.",
        _table("what was wanted", [("answers", answers), ("digressions", digressions)]),
        _table("no alarm was wanted", [("alarms on ordinary messages", scores.alarms)], "alarms"),
    ]
    if red_flags:
        heard = [(name, red_flags[name]) for name in RED_FLAG_ROWS if name in red_flags]
        parts += ["## Red flags", _table("red flag", heard, "messages")]
    if scores.answers:
        parts += ["## Answers", _table("question", scores.answers.worst_first())]
    if scores.digressions:
        parts += ["## Digressions", _table("digression", scores.digressions.worst_first())]
    if scores.confusion:
        parts.append("![What was wanted against what was read](confusion.svg)")
    return "\n\n".join(parts) + "\n"


def _table(title: str, rows: Iterable[tuple[str, Count]], counted: str = "right") -> str:
    head = f"| {title} | {counted} | of | share |\n|---|--:|--:|--:|"
    return "\n".join([head, *(f"| {name} | {c.right} | {c.n} | {100 * c.share:.0f}% |" for name, c in rows)])


CELL, LEFT, TOP = 26, 170, 160


def draw(confusion: Mapping[tuple[str, str], int]) -> str:
    """Return a picture of what was wanted (rows) against what was read (columns), as SVG without a date."""
    named = sorted({name for pair in confusion for name in pair} - {ANSWER, NOTHING})
    names = [*named, ANSWER, NOTHING]
    wide, high = LEFT + CELL * len(names) + 20, TOP + CELL * len(names) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}"'
        ' font-family="sans-serif" font-size="12" role="img" aria-labelledby="title">',
        '<title id="title">What was wanted (rows) against what was read (columns)</title>',
        f'<rect width="{wide}" height="{high}" fill="#fff"/>',
        f'<text x="{LEFT - 8}" y="{TOP - 26}" text-anchor="end" font-weight="bold">wanted, down</text>',
        f'<text x="{LEFT - 8}" y="{TOP - 10}" text-anchor="end" font-weight="bold">read, across</text>',
    ]
    for at, name in enumerate(names):
        middle = CELL * at + CELL // 2 + 4
        parts.append(f'<text x="{LEFT - 8}" y="{TOP + middle}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<text transform="translate({LEFT + middle} {TOP - 8}) rotate(-60)">{escape(name)}</text>')
    parts += _cells(confusion, names)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _cells(confusion: Mapping[tuple[str, str], int], names: Sequence[str]) -> Iterator[str]:
    for down, wanted in enumerate(names):
        total = sum(confusion.get((wanted, got), 0) for got in names)
        for across, got in enumerate(names):
            n, x, y = confusion.get((wanted, got), 0), LEFT + CELL * across, TOP + CELL * down
            colour = ("#2b6cb0" if wanted == got else "#c53030") if n else "#f4f4f4"
            # The share of the row is the depth of the colour; a single miss must still be seen.
            shade = 0.25 + 0.75 * n / total if n else 1.0
            parts = f'<rect x="{x}" y="{y}" width="{CELL - 1}" height="{CELL - 1}" fill="{colour}"'
            yield f'{parts} fill-opacity="{shade:.2f}"/>'
            if n:
                ink = "#fff" if shade > 0.6 else "#000"
                yield f'<text x="{x + CELL // 2}" y="{y + 17}" text-anchor="middle" fill="{ink}">{n}</text>'


def _printed(scores: Scores, options: argparse.Namespace) -> Iterator[str]:
    if options.json:
        rows = scores.misses if options.misses else [scores.figures()]
        yield from (json.dumps(row, ensure_ascii=False) for row in rows)
        return
    if not options.misses:
        yield from _summary(scores)
        yield f"misses: {len(scores.misses)}"
    for line in scores.misses:
        got = {key: line[key] for key in ("error", "answers", "intent", "red_flags") if line.get(key)}
        yield f"{line.get('id')} [{line.get('question')}] {line.get('text')!r}"
        yield f"    wanted {json.dumps(line['expect'], ensure_ascii=False)}"
        yield f"    read   {json.dumps(got, ensure_ascii=False)}"


def _summary(scores: Scores) -> Iterator[str]:
    for title, table in (("answers", scores.answers), ("digressions", scores.digressions)):
        if table:
            yield _row(title, table.total())
            yield from (_row(f"  {name}", count) for name, count in table.worst_first())
    if scores.alarms.n:
        yield _row("alarms on ordinary messages", scores.alarms)
    if scores.red_flags:
        yield "red flags"
        yield from (_row(f"  {name}", scores.red_flags[name]) for name in RED_FLAG_ROWS if name in scores.red_flags)


def _row(name: str, count: Count) -> str:
    return f"{name:32} {count!s:>9} {100 * count.share:5.1f}%"


def _labelled(text: str, where: str) -> Line:
    try:
        line = json.loads(text)
    except ValueError as error:
        raise SampleError(f"{where}: not JSON: {error}") from None
    if not isinstance(line, dict) or not isinstance(line.get("expect"), dict) or not isinstance(line.get("text"), str):
        raise SampleError(f"{where}: must be an object with a text, and what to expect of it under expect")
    return {"question": None, **line}


def _wanted(line: Line, question: str | None, digression: str | None) -> bool:
    return (question is None or line["question"] == question) and (
        digression is None or line["expect"].get("intent") == digression
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE", nargs="*", type=Path, help="labelled lines of JSON")
    parser.add_argument("--question", metavar="ID", help="only messages that answer this question")
    parser.add_argument("--digression", metavar="NAME", help="only messages labelled with this digression")
    parser.add_argument("--misses", action="store_true", help="print the misses only")
    parser.add_argument(
        "--json", action="store_true", help="print the figures as one line of JSON; the misses one a line"
    )
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="write evaluation.md and confusion.svg there")
    parser.add_argument("--model", default=str(ROOT / "models" / "plateau.tar.gz"), help="the trained model")
    return parser


def _refused(why: str) -> int:
    print(f"evaluate: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:
        # The reader of our output has gone, as `| head` does.
        sys.stderr.close()
