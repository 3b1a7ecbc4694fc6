"""Telegram: every question can be answered by its buttons alone; what a tap changes is drawn from its data alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from plateau.content import Catalog
from plateau.protocol import spoken

from ._asked import (
    FEW_NUMBERS,
    Asked,
    Turn,
    asked,
    blocks,
    is_marked,
    joined,
    kind_of,
    marked,
    marks,
    none_of,
    options,
    question_text,
    unit_of,
)
from ._limits import LIMITS
from ._said import Place
from ._split import shortened, split, units
from ._tap import written
from ._typed import first_words, items_text

Button = Mapping[str, str]
Rows = list[list[Button]]
Message = Mapping[str, Any]

SCALE_ROW = 6
COMMAND_ROW = 3
# The longest title of buttons that stand so many beside each other on a phone.
BESIDE = ((3, 12), (2, 20))
KEYS = ("123", "456", "789", "0")
COMMANDS = (
    "share", "back", "skip", "dont_know", "why", "human", "stop", "resume", "restart", "confirm", "mistake", "checked",
)  # fmt: skip
NO_PREVIEW = {"link_preview_options": {"is_disabled": True}}


def telegram(turn: Turn, words: Catalog, place: Place) -> list[Message]:
    """Return a reply as Telegram messages; the last one has the buttons."""
    given, most = blocks(turn), LIMITS["telegram"].text
    said = joined([first_words("telegram", words, place), *given.said])
    before = [*split(joined(given.urgent), most), *split(said, most)]
    shown = split(_shown(turn, words, place), most)
    keyboard = first_keyboard(turn, words)
    texts = [*before, *shown]
    return [
        *(_message(text) for text in texts[:-1]),
        _message(texts[-1], keyboard),
    ]


def _message(text: str, keyboard: Rows | None = None) -> Message:
    markup = {"reply_markup": {"inline_keyboard": keyboard}} if keyboard else {}
    return {"method": "sendMessage", "text": text, **markup, **NO_PREVIEW}


def redrawn(text: str, keyboard: Rows) -> Message:
    """Return what takes the place of a tapped message, text and buttons."""
    return {"method": "editMessageText", "text": text, "reply_markup": {"inline_keyboard": keyboard}, **NO_PREVIEW}


def redrawn_buttons(keyboard: Rows) -> Message:
    """Return what takes the place of the buttons of a tapped message."""
    return {"method": "editMessageReplyMarkup", "reply_markup": {"inline_keyboard": keyboard}}


def _shown(turn: Turn, words: Catalog, place: Place) -> str:
    question, kind = asked(turn), kind_of(turn)
    if question:
        return shown_question(turn, question, words)
    if kind == "review":
        return review_text(turn, words)
    plan = blocks(turn).plan
    return items_text(plan, words, place) if plan else blocks(turn).question or ""


def shown_question(turn: Turn, question: Asked, words: Catalog, digits: str = "") -> str:
    """Return the text of a question, with the digits that have been tapped so far."""
    lines = [question_text(turn, question, words)]
    if is_marked("telegram", question):
        lines += marked(question, words)
    return "\n".join([*lines, *_how(question, words, digits)])


def _how(question: Asked, words: Catalog, digits: str) -> list[str]:
    kind, tap = question["kind"], words.tree("channels.tap")
    if kind == "nprs":
        scale = {"min": question["min"], "max": question["max"], **question["anchors"]}
        return [tap["scale"].format(**scale)]
    if kind == "multi":
        return [tap["several"]]
    if kind == "activities":
        return [words.get("questions.examples.activities")]
    if kind == "number" and digits:
        shown = spoken(question["id"], int(digits), words)
        if in_range(question, digits):
            return [shown]
        return [tap["out_of_range"].format(number=shown, min=question["min"], max=question["max"])]
    if kind == "number":
        return [tap["number"].format(unit=unit_of(question, words))]
    return [tap["typed"]] if kind == "text" else []


def in_range(question: Asked, digits: str) -> bool:
    """Tell whether the digits tapped are an answer to a number's question."""
    return bool(question["min"] <= int(digits) <= question["max"])


def review_text(turn: Turn, words: Catalog) -> str:
    """Return the answers of the review by their sections."""
    lines = [blocks(turn).question or turn["screen"]["title"]]
    for section, rows in by_section(turn):
        lines += ["", section, *(row_text(row, words) for _, row in rows)]
    return "\n".join([*lines, "", words.get("channels.tap.review")])


def by_section(turn: Turn) -> list[tuple[str, list[tuple[int, Mapping[str, str]]]]]:
    """Return the rows of the screen, with their places, by section."""
    found: dict[str, list[tuple[int, Mapping[str, str]]]] = {}
    for place, row in enumerate(turn["screen"]["rows"]):
        found.setdefault(row["section"], []).append((place, row))
    return list(found.items())


def row_text(row: Mapping[str, str], words: Catalog, most: int = 100) -> str:
    """Return one answer of the review in one line of at most `most` characters."""
    line = words.get("channels.reply.row", label=row["label"], answer=row["answer"])
    return shortened(line, most, words.get("channels.more"))


# ---- the buttons


def first_keyboard(turn: Turn, words: Catalog) -> Rows:
    """Return the buttons of a screen before anything of it was tapped."""
    question, kind = asked(turn), kind_of(turn)
    if question and question["kind"] == "multi":
        return several(turn, question, ticked(question, question["current"]), words)
    if question and question["kind"] == "number":
        return number(turn, question, "", words)
    if question:
        return [*_answers(turn, question, words), *moves(turn, words)]
    if kind == "review":
        return all_sections(turn, words)
    if kind == "plan":
        return [[_button(words.get("channels.commands.change"), turn, "x")], *moves(turn, words)]
    return moves(turn, words)


def _answers(turn: Turn, question: Asked, words: Catalog) -> Rows:
    if question["kind"] == "nprs":
        return scale(turn, question)
    if question["kind"] != "choice":
        return []
    shown = zip(options(question), _titles(question, words), strict=True)
    titles = [_ticked(title, words) if option["value"] == question["current"] else title for option, title in shown]
    return _rows([_button(title, turn, "o", place) for place, title in enumerate(titles)])


def _titles(question: Asked, words: Catalog) -> list[str]:
    """Return the titles of the options; where one is too long for a button, all are marked and begin as in the text."""
    titles = [option["title"] for option in options(question)]
    if not is_marked("telegram", question):
        return titles
    most, more = LIMITS["telegram"].title, words.get("channels.more")
    return [
        shortened(words.get("channels.reply.option", mark=mark, title=title), most, more)
        for mark, title in zip(marks(question), titles, strict=True)
    ]


def scale(turn: Turn, question: Asked) -> Rows:
    """Return a button for each number, from the lowest to the highest."""
    values = range(int(question["min"]), int(question["max"]) + 1)
    buttons = [_button(str(value), turn, "e", value) for value in values]
    return [buttons[at : at + SCALE_ROW] for at in range(0, len(buttons), SCALE_ROW)]


def ticked(question: Asked, values: Any) -> int:
    """Return the values of several as bits in the order of the options; none of them is no bit."""
    held = values if isinstance(values, list) else []
    return sum(1 << place for place, option in enumerate(options(question)) if option["value"] in held)


def several(turn: Turn, question: Asked, mask: int, words: Catalog) -> Rows:
    """Return the buttons of several, each of which ticks or unticks; "none" and Done exclude each other."""
    shown = enumerate(_titles(question, words))
    titles = [_ticked(title, words) if mask >> place & 1 else title for place, title in shown]
    rows = _rows([_button(title, turn, "t", f"{mask ^ 1 << place:x}") for place, title in enumerate(titles)])
    none = none_of(question)
    if mask:
        rows.append([_button(words.get("channels.tap.done"), turn, "d", f"{mask:x}")])
    elif none:
        rows.append([_button(none, turn, "d", "0")])
    return [*rows, *moves(turn, words)]


def _ticked(title: str, words: Catalog) -> str:
    most, more = LIMITS["telegram"].title, words.get("channels.more")
    return shortened(words.get("channels.tap.ticked", title=title), most, more)


def number(turn: Turn, question: Asked, digits: str, words: Catalog) -> Rows:
    """Return a keypad that carries the digits tapped so far; few numbers have a button each."""
    if question["max"] <= FEW_NUMBERS:
        return [*scale(turn, question), *moves(turn, words)]
    rows: Rows = []
    if not digits or in_range(question, digits):
        rows = [[_button(key, turn, "k", next_digits(digits, key)) for key in row] for row in KEYS]
        if digits == "0":
            # Another 0 changes nothing, and Telegram refuses to draw the same again.
            rows.pop()
    if digits:
        done = [_button(words.get("channels.tap.done"), turn, "e", digits)] if in_range(question, digits) else []
        rows.append([_button(words.get("channels.tap.delete"), turn, "k", digits[:-1]), *done])
    elif "none" in question:
        rows.append([_button(question["none"]["title"], turn, "n")])
    return [*rows, *moves(turn, words)]


def next_digits(digits: str, key: str) -> str:
    """Return the digits after one more, without zeros in front."""
    return f"{digits}{key}".lstrip("0") or "0"


def all_sections(turn: Turn, words: Catalog) -> Rows:
    """Return a button for each section of the answers, between what confirms them all and the other moves."""
    names = [_button(name, turn, "s", place) for place, (name, _) in enumerate(by_section(turn))]
    others = [name for name in COMMANDS if name != "confirm"]
    return [*moves(turn, words, ("confirm",)), *_rows(names), *moves(turn, words, others)]


def section(turn: Turn, place: int, words: Catalog) -> Rows:
    """Return a button for each answer of one section, and the way back to all."""
    most = LIMITS["telegram"].title
    _, rows = by_section(turn)[place]
    buttons = [[_button(row_text(row, words, most), turn, "r", at)] for at, row in rows]
    return [*buttons, [_button(words.get("channels.tap.sections"), turn, "x")]]


def moves(turn: Turn, words: Catalog, names: Iterable[str] = COMMANDS) -> Rows:
    """Return the commands of the screen among `names`, a few beside each other."""
    titles, open_ = words.tree("channels.commands"), (turn["screen"] or {}).get("commands", ())
    buttons = [_button(titles[name], turn, "c", name) for name in names if name in open_]
    # Four are two and two, not three and one.
    beside = -(-len(buttons) // max(1, -(-len(buttons) // COMMAND_ROW)))
    return [buttons[at : at + beside] for at in range(0, len(buttons), max(1, beside))]


def _rows(buttons: list[Button]) -> Rows:
    longest = max(units(button["text"]) for button in buttons)
    beside = next((count for count, most in BESIDE if longest <= most), 1)
    return [buttons[at : at + beside] for at in range(0, len(buttons), beside)]


def _button(text: str, turn: Turn, act: str, argument: object = "") -> Button:
    return {"text": text, "callback_data": written(turn, act, argument)}
