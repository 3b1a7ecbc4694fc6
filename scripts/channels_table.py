#!/usr/bin/env python3
"""Writes the generated parts of docs/channels.md: limits, every question on every channel, text messages as sent."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from plateau.channels import Place, limits_table, parts, rendered
from plateau.protocol import QUESTIONS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "channels.md"
COMMAND = ".venv/bin/python scripts/channels_table.py"
# The replies that the tests of the channels render.
sys.path.insert(0, str(ROOT / "tests" / "channels"))
import replies  # noqa: E402

BEGIN, END = "<!-- generated: {name} -->", "<!-- end: {name} -->"
_MARKED = re.compile(r"^(1|A) ", re.MULTILINE)
WITH_TEMPLATES = Place(replies.NUMBERS, web=replies.WEB, plan=replies.PLAN, templates=replies.TEMPLATES)
EXAMPLES = {
    "A choice": lambda: replies.question("progress"),
    "A choice whose answers may be numbers": lambda: replies.question("clash_pain"),
    "A number on a scale": lambda: replies.question("pain_worst"),
    "Several": lambda: replies.question("safety_nerves"),
    "After an answer that could not be read": lambda: replies.question(
        "sleep", replies.message("say", "Sorry, I did not get that.", "utter_not_understood"), again=True
    ),
    "The plan": replies.plan,
    "An emergency": replies.emergency,
}


def questions_table() -> str:
    """Return how each question is asked on each channel, the length of its longest text and the parts of its SMS."""
    head = "| question | SMS | parts | WhatsApp, with templates | Telegram | Messenger | longest text |"
    rows = [_row(name, turn) for name, turn in _turns()]
    return "\n".join([head, "|---|---|---|---|---|---|---|", *rows]) + "\n"


def examples() -> str:
    """Return text messages as they are sent, each with its parts."""
    return "\n".join(
        f"{title}:\n\n" + "\n".join(f"```text\n{body}\n```\n{_parts(parts(body))}\n" for body in _bodies(turn()))
        for title, turn in EXAMPLES.items()
    )


def page(old: str) -> str:
    """Return the page with its generated blocks made anew; what stands around them stays."""
    for name, text in (("limits", limits_table()), ("questions", questions_table()), ("examples", examples())):
        begin, end = BEGIN.format(name=name), END.format(name=name)
        before, rest = old.split(begin)
        old = f"{before}{begin}\n{text.strip()}\n{end}{rest.split(end)[1]}"
    return old


def _turns() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in QUESTIONS:
        if name in replies.ASKED:
            yield name, replies.question(name)
    yield from (("review", replies.review()), ("the plan", replies.plan()), ("an emergency", replies.emergency()))


def _row(name: str, turn: Mapping[str, Any]) -> str:
    shown = {
        channel: rendered(channel, turn, replies.WORDS, WITH_TEMPLATES)
        for channel in ("sms", "whatsapp", "telegram", "messenger")
    }
    sent = sum(parts(message["body"]) for message in shown["sms"])
    longest = max(len(replies.text_of(message)) for messages in shown.values() for message in messages)
    forms = [_form(turn, shown[channel][-1]) for channel in ("whatsapp", "telegram", "messenger")]
    return f"| {name} | {_typed(_text(shown['sms']))} | {sent} | {' | '.join(forms)} | {longest} |"


def _form(turn: Mapping[str, Any], message: Mapping[str, Any]) -> str:
    acts = {data.split(":")[2] for data in replies.buttons(message).values()}
    if "variables" in message:
        return "buttons" if len(replies.buttons(message)) <= 3 else "list"
    for act, form in (
        ("k", "keypad"),
        ("t", "ticks"),
        ("e", "scale"),
        ("s", "sections"),
        ("o", "buttons"),
        ("x", "buttons"),
        ("b", "buttons"),
    ):
        if act in acts:
            return form
    # Beside a question, commands are no way to answer it.
    return "buttons" if acts and turn["screen"]["kind"] != "questions" else _typed(replies.text_of(message))


def _typed(text: str) -> str:
    found = _MARKED.search(text)
    return {"1": "numbers", "A": "letters"}[found[1]] if found else "typed"


def _text(messages: list[Mapping[str, Any]]) -> str:
    return "\n".join(map(replies.text_of, messages))


def _bodies(turn: Mapping[str, Any]) -> list[str]:
    return [message["body"] for message in rendered("sms", turn, replies.WORDS, replies.HERE)]


def _parts(count: int) -> str:
    return "One part." if count == 1 else f"{count} parts."


def main() -> int:
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
