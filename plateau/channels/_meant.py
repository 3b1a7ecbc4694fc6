"""What a message of a patient means to the latest reply: numbers and taps here, everything in words by the reader."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from plateau.content import Catalog

from . import _telegram
from ._asked import FEW_NUMBERS, LETTERS, NONE, Asked, Turn, asked, is_lettered, is_marked, kind_of, none_of, options
from ._said import Meant, Said
from ._tap import BadTap, Tap, read

# Where what is typed can be a command of the screen, for no question is asked.
WORDED = ("review", "plan", "emergency", "end")
# Where the answers of the review are numbered.
LISTED = ("sms", "whatsapp", "messenger")
# Where there is something to tap; only on Telegram a message can be drawn anew.
TAPPED = ("whatsapp", "telegram", "messenger")
# What joins two numbers, and what stands around one: "1, 3", "1 and 3", "(2)", "#2", "2."; not "1.3", "10/10" or "1-3".
_BETWEEN = re.compile(r"[\s,;&+]+")
_AROUND = "()[].:;,#!'\"\u20e3\ufe0f "


def meant(channel: str, said: Said, turn: Turn | None, words: Catalog) -> Meant:
    """Return what was said, read against the latest reply `turn` as the channel showed it; raises BadTap.

    Only what the reader could not know is settled here: what a number stands for, and what was tapped.
    """
    if said.tap is not None:
        return _tapped(channel, read(said.tap, turn), turn or {}, words)
    text = said.text or ""
    found = _answered(channel, text, turn, words) if turn else None
    return found or Meant(text=text)


# ---- typed


def _answered(channel: str, text: str, turn: Turn, words: Catalog) -> Meant | None:
    plain, question, after = _plain(text), asked(turn), turn["number"]
    if question:
        value = _value(channel, plain, question, words)
        return None if value is None else Meant(answers={question["id"]: value}, after=after)
    kind = kind_of(turn)
    if kind == "review" and channel in LISTED:
        places = _numbers(plain, words)
        rows = turn["screen"]["rows"]
        if places and len(places) == 1 and 1 <= places[0] <= len(rows):
            return Meant(command="change", question=rows[places[0] - 1]["question"], after=after)
    return _worded(plain, turn, words) if kind in WORDED else None


def _worded(plain: str, turn: Turn, words: Catalog) -> Meant | None:
    """Return the command that these words are on this screen; no bare number is one: it may be a late answer."""
    known = words.tree("channels.words")
    commands = turn["screen"]["commands"]
    bare = plain.strip(_AROUND)
    name = next((name for name in known if name in commands and bare in known[name]), None)
    # To start over is asked about first, by the dialogue, which reads the words.
    if name is None or (name == "restart" and kind_of(turn) == "plan"):
        return None
    return Meant(command=name, after=turn["number"])


def _value(channel: str, plain: str, question: Asked, words: Catalog) -> Any:
    """Return the answer of a choice or of several that was typed by number, letter or title; else None."""
    if question["kind"] not in ("choice", "multi"):
        return None
    several = question["kind"] == "multi"
    titles = {_plain(option["title"]): option["value"] for option in question["options"]}
    if (value := titles.get(plain, titles.get(plain.rstrip(".")))) is not None:
        return [value] if several else value
    if not is_marked(channel, question):
        return None
    if is_lettered(question):
        letter = plain.strip(_AROUND).upper()
        places = [LETTERS.index(letter) + 1] if len(letter) == 1 and letter in LETTERS else None
    else:
        places = _numbers(plain, words)
    return _chosen(question, places, several) if places else None


def _chosen(question: Asked, places: Sequence[int], several: bool) -> Any:
    shown = options(question)
    if list(places) == [0] and none_of(question):
        return [NONE]
    if not all(1 <= place <= len(shown) for place in places):
        return None
    values = [option["value"] for place, option in enumerate(shown, start=1) if place in places]
    if several:
        return values
    return values[0] if len(places) == 1 else None


def _numbers(plain: str, words: Catalog) -> list[int] | None:
    """Return the numbers of a text that is nothing but numbers and what joins them; else None."""
    named = {name: number for number, name in enumerate(words.tree("channels")["numbers"])}
    found = []
    for part in _BETWEEN.split(plain):
        bare = part.strip(_AROUND)
        if bare in words.tree("channels")["number_words"] or not bare:
            continue
        if bare in named:
            found.append(named[bare])
        elif re.fullmatch(r"[0-9]{1,2}", bare):
            found.append(int(bare))
        else:
            return None
    return found or None


def _plain(text: str) -> str:
    """Return text in small letters, its digits plain ones, its white space single."""
    small = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return " ".join(small.split())


# ---- tapped


def _tapped(channel: str, tap: Tap, turn: Turn, words: Catalog) -> Meant:
    act = _ACTS.get(tap.act)
    if act is None:
        raise BadTap(f"unknown act {tap.act}; allowed: {', '.join(_ACTS)}")
    found = act(tap.argument, turn, words)
    if channel not in TAPPED or (found.redraw is not None and channel != "telegram"):
        raise BadTap(f"{channel} has no button for {tap.act}")
    return found


def _option(argument: str, turn: Turn, words: Catalog) -> Meant:
    question = _asked(turn, "choice")
    shown = options(question)
    return _answer(turn, question, shown[_place(argument, len(shown))]["value"])


def _tick(argument: str, turn: Turn, words: Catalog) -> Meant:
    question = _asked(turn, "multi")
    mask = _mask(argument, question)
    return Meant(redraw=_telegram.redrawn_buttons(_telegram.several(turn, question, mask, words)), after=turn["number"])


def _done(argument: str, turn: Turn, words: Catalog) -> Meant:
    question = _asked(turn, "multi")
    mask = _mask(argument, question)
    if not mask and none_of(question) is None:
        raise BadTap(f"{question['id']}: nothing is ticked")
    values = [option["value"] for place, option in enumerate(options(question)) if mask >> place & 1]
    return _answer(turn, question, values or [NONE])


def _keyed(argument: str, turn: Turn, words: Catalog) -> Meant:
    question = _asked(turn, "number")
    digits = _digits(argument) if argument else ""
    text = _telegram.shown_question(turn, question, words, digits)
    return Meant(redraw=_telegram.redrawn(text, _telegram.number(turn, question, digits, words)), after=turn["number"])


def _entered(argument: str, turn: Turn, words: Catalog) -> Meant:
    question = _asked(turn, "number", "nprs")
    digits = _digits(argument)
    if _telegram.in_range(question, digits):
        return _answer(turn, question, int(digits))
    if question["kind"] == "nprs" or question["max"] <= FEW_NUMBERS:
        raise BadTap(f"{question['id']}: {digits}; allowed: {question['min']} to {question['max']}")
    return _keyed(argument, turn, words)


def _no_number(argument: str, turn: Turn, words: Catalog) -> Meant:
    question = _asked(turn, "number")
    if "none" not in question:
        raise BadTap(f"{question['id']} has no answer for none")
    return _answer(turn, question, question["none"]["value"])


def _command(argument: str, turn: Turn, words: Catalog) -> Meant:
    screen = turn["screen"] or {}
    if argument not in screen.get("commands", ()):
        raise BadTap(f"command {argument!r} is not open; open: {', '.join(screen.get('commands', ()))}")
    if argument == "restart" and screen["kind"] == "plan":
        # To start over is asked about first, by the dialogue, which reads the words.
        return Meant(text=words.get("page.commands.restart"), after=turn["number"])
    return Meant(command=argument, after=turn["number"])


def _row(argument: str, turn: Turn, words: Catalog) -> Meant:
    rows = _with_rows(turn)
    return Meant(command="change", question=rows[_place(argument, len(rows))]["question"], after=turn["number"])


def _section(argument: str, turn: Turn, words: Catalog) -> Meant:
    _with_rows(turn)
    place = _place(argument, len(_telegram.by_section(turn)))
    return Meant(redraw=_telegram.redrawn_buttons(_telegram.section(turn, place, words)), after=turn["number"])


def _back_to_review(argument: str, turn: Turn, words: Catalog) -> Meant:
    _with_rows(turn)
    return Meant(text=words.get("page.commands.back"), after=turn["number"])


def _sections(argument: str, turn: Turn, words: Catalog) -> Meant:
    _with_rows(turn)
    return Meant(redraw=_telegram.redrawn_buttons(_telegram.all_sections(turn, words)), after=turn["number"])


_ACTS: Mapping[str, Callable[[str, Turn, Catalog], Meant]] = {
    "o": _option,
    "t": _tick,
    "d": _done,
    "k": _keyed,
    "e": _entered,
    "n": _no_number,
    "c": _command,
    "r": _row,
    "b": _back_to_review,
    "s": _section,
    "x": _sections,
}


def _answer(turn: Turn, question: Asked, value: Any) -> Meant:
    return Meant(answers={question["id"]: value}, after=turn["number"])


def _asked(turn: Turn, *kinds: str) -> Asked:
    question = asked(turn)
    if question is None or question["kind"] not in kinds:
        raise BadTap(f"what is asked is no {' or '.join(kinds)}")
    return question


def _with_rows(turn: Turn) -> list[Mapping[str, str]]:
    rows: list[Mapping[str, str]] = (turn["screen"] or {}).get("rows", [])
    if not rows or "change" not in turn["screen"]["commands"]:
        raise BadTap("there are no answers to change here")
    return rows


def _place(argument: str, count: int) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", argument) or int(argument) >= count:
        raise BadTap(f"place {argument!r}; allowed: 0 to {count - 1}")
    return int(argument)


def _mask(argument: str, question: Asked) -> int:
    most = 1 << len(options(question))
    if not re.fullmatch(r"[0-9a-f]{1,8}", argument) or int(argument, 16) >= most:
        raise BadTap(f"{question['id']}: ticks {argument!r}; allowed: 0 to {most - 1:x}")
    return int(argument, 16)


def _digits(argument: str) -> str:
    if not re.fullmatch(r"0|[1-9][0-9]{0,5}", argument):
        raise BadTap(f"digits {argument!r}; allowed: a whole number of up to 6 digits")
    return argument
