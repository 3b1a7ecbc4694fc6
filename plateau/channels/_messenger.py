"""Messenger: quick replies where a choice or a scale has few enough, else the options by number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from plateau.content import Catalog

from ._asked import (
    FEW_NUMBERS,
    Asked,
    Turn,
    asked,
    blocks,
    how_to_type,
    is_marked,
    joined,
    kind_of,
    marked,
    marks,
    none_of,
    options,
    question_text,
)
from ._limits import LIMITS
from ._said import Place
from ._split import split
from ._tap import written
from ._typed import by_number, first_words, items_text

Message = Mapping[str, Any]
# The commands, the ones needed most first: as many as there is room for.
COMMANDS = (
    "share", "confirm", "mistake", "checked", "resume", "skip", "dont_know", "back", "why", "restart", "human", "stop",
)  # fmt: skip


def messenger(turn: Turn, words: Catalog, place: Place) -> list[Message]:
    """Return a reply as Messenger messages; the last one has the quick replies."""
    given, most = blocks(turn), LIMITS["messenger"].text
    said = joined([first_words("messenger", words, place), *given.said])
    texts = [*split(joined(given.urgent), most), *split(said, most), *split(_shown(turn, words, place), most)]
    replies = _replies(turn, words)
    return [*(_message(text) for text in texts[:-1]), _message(texts[-1], replies)]


def _message(text: str, replies: list[Mapping[str, str]] | None = None) -> Message:
    shown = {"quick_replies": replies} if replies else {}
    return {"message": {"text": text, **shown}, "messaging_type": "RESPONSE"}


def _shown(turn: Turn, words: Catalog, place: Place) -> str:
    question, kind = asked(turn), kind_of(turn)
    if question:
        return "\n".join([question_text(turn, question, words), *_how(question, words)])
    if kind == "review":
        return by_number(turn, words)
    plan = blocks(turn).plan
    return items_text(plan, words, place) if plan else blocks(turn).question or ""


def _how(question: Asked, words: Catalog) -> list[str]:
    if is_marked("messenger", question):
        return [*marked(question, words), " ".join(how_to_type(question, words))]
    return [] if question["kind"] == "choice" else how_to_type(question, words)


def _replies(turn: Turn, words: Catalog) -> list[Mapping[str, str]]:
    question = asked(turn)
    shown = [*(_answers(turn, question) if question else ()), *_moves(turn, words)]
    return shown[: LIMITS["messenger"].buttons]


def _answers(turn: Turn, question: Asked) -> Iterator[Mapping[str, str]]:
    """Yield a quick reply for each option or number that has one; of several, only what stands for none."""
    kind, most = question["kind"], LIMITS["messenger"]
    if kind == "choice" and len(options(question)) < most.buttons:
        titles = marks(question) if is_marked("messenger", question) else [each["title"] for each in options(question)]
        for place, title in enumerate(titles):
            yield _reply(title, turn, "o", place)
    elif kind in ("nprs", "number") and question["max"] <= FEW_NUMBERS:
        for value in range(int(question["min"]), int(question["max"]) + 1):
            yield _reply(str(value), turn, "e", value)
    elif kind == "number" and "none" in question:
        yield _reply(question["none"]["title"], turn, "n")
    elif kind == "multi" and (none := none_of(question)):
        yield _reply(none, turn, "d", 0)


def _moves(turn: Turn, words: Catalog) -> Iterator[Mapping[str, str]]:
    titles, open_ = words.tree("channels.commands"), (turn["screen"] or {}).get("commands", ())
    if kind_of(turn) == "plan":
        yield _reply(titles["change"], turn, "b")
    for name in COMMANDS:
        if name in open_:
            yield _reply(titles[name], turn, "c", name)


def _reply(title: str, turn: Turn, act: str, argument: object = "") -> Mapping[str, str]:
    return {"content_type": "text", "title": title, "payload": written(turn, act, argument)}
