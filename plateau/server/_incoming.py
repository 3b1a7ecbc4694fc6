"""What a patient may send, checked: words, answers to the screen, or one of the moves."""

from __future__ import annotations

import asyncio
import json
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from starlette.requests import ClientDisconnect, Request

from plateau.channels import COMMANDS
from plateau.protocol import QUESTIONS, InvalidAnswer, validate

from ._limits import BODY_BYTES, BODY_SECONDS, TEXT_CHARACTERS

ID_CHARACTERS = 64
BEGINNING_CHARACTERS = 2048
FIELDS = ("id", "text", "answers", "command", "after")
# Levels of objects and lists; the deepest message, an activity's score, has four.
DEPTH = 8
# Rasa takes a message that starts with "/" for a payload; this invisible sign, which strip() leaves, makes it words.
WORD_JOINER = "\u2060"


class BadRequest(ValueError):
    """A request that cannot be taken; `code` is for programs, the message says what is wrong and what is allowed.

    `words` are the patient's own, where there were any: danger in them is heard even so.
    """

    def __init__(self, code: str, message: str, words: str = "") -> None:
        super().__init__(message)
        self.code, self.words = code, words


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message: the client's own id for it, and exactly one of words, answers or a command.

    `after` is the number of the turn that the client last saw, where it says so. The rest no client can set: `channel`
    is the messenger that `text` or `tap` came by, yet to be understood; `aside` is what the gateway puts in between.
    """

    id: str
    text: str | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)
    command: str | None = None
    question: str | None = None
    after: int | None = None
    channel: str | None = None
    tap: str | None = None
    aside: str | None = None

    @property
    def words(self) -> str:
        """All free text of the message, for the red-flag listener."""
        own = [value for name, value in self.answers.items() if QUESTIONS[name].kind == "text"]
        for name, value in self.answers.items():
            if QUESTIONS[name].kind == "activities" and isinstance(value, list):
                own += [item["activity"] for item in value]
        return "\n".join([*([self.text] if self.text else []), *own])

    def to_dict(self) -> dict[str, Any]:
        """Return the message as JSON values."""
        return {name: value for name in FIELD_NAMES if (value := getattr(self, name)) not in (None, {})}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Incoming:
        """Return the message that `to_dict` gave these values for."""
        return cls(**kept)


FIELD_NAMES = tuple(field.name for field in fields(Incoming))


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a conversation begins: as new, or with the code of someone who comes back, or the clinic's patient token."""

    code: str | None = None
    patient: str | None = None


async def read_body(request: Request, most: int = BODY_BYTES) -> bytes:
    """Return the body of a request, of `most` bytes; raises BadRequest."""
    body = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise BadRequest("too_large", f"The request is too large; allowed: {most} bytes.")
    except TimeoutError:
        raise BadRequest("too_slow", f"The request came too slowly; allowed: {BODY_SECONDS:.0f} seconds.") from None
    except ClientDisconnect:
        raise BadRequest("broken_off", "The request broke off; allowed: a whole one.") from None
    return body


def read_beginning(body: bytes) -> Beginning:
    """Return the checked beginning, an empty body being that of a new patient; raises BadRequest."""
    if not body.strip():
        return Beginning()
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("bad_json", "The body is not valid JSON.") from None
    if not isinstance(raw, dict):
        raise BadRequest("bad_json", "The body is not a JSON object.")
    if unknown := set(raw) - {"code", "patient"}:
        raise BadRequest("bad_field", f"Unknown field {sorted(unknown)[0]!r:.40}; allowed: code, patient.")
    for name, value in raw.items():
        if not isinstance(value, str) or not 0 < len(value) <= BEGINNING_CHARACTERS:
            raise BadRequest("bad_field", f"{name} is not a text of 1 to {BEGINNING_CHARACTERS} characters.")
    if len(raw) > 1:
        raise BadRequest("bad_message", "Send code or patient, not both.")
    return Beginning(**raw)


def read(body: bytes) -> Incoming:
    """Return the checked message; raises BadRequest."""
    try:
        raw = json.loads(body, parse_int=_number, parse_float=_number, parse_constant=_number)
        depth = _depth(raw)
    except (ValueError, RecursionError):
        raise BadRequest("bad_json", "The body is not valid JSON.") from None
    if depth > DEPTH:
        raise BadRequest("bad_json", f"The body is nested too deeply; allowed: {DEPTH} levels.")
    if not isinstance(raw, dict):
        raise BadRequest("bad_json", "The body is not a JSON object.")
    try:
        return _checked(raw)
    except BadRequest as error:
        # Whatever else is wrong with the message, danger in its words is heard.
        error.words = error.words or _said(raw)
        raise


def _checked(raw: Mapping[str, Any]) -> Incoming:
    if unknown := set(raw) - {*FIELDS}:
        raise BadRequest("bad_field", f"Unknown field {sorted(unknown)[0]!r:.40}; allowed: {', '.join(FIELDS)}.")
    given = [name for name in ("text", "answers", "command") if raw.get(name) is not None]
    if len(given) != 1:
        raise BadRequest("bad_message", "Send exactly one of text, answers or command.")
    message = _message(_id(raw.get("id")), given[0], raw[given[0]])
    return replace(message, after=_after(raw.get("after"), message))


def clean(text: str) -> str:
    """Return text without NUL and lone surrogates, in NFC, that Rasa cannot take for a payload."""
    plain = unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode("utf-8").replace("\x00", "")).strip()
    bare = plain.lstrip(WORD_JOINER + "\ufeff\u200b \t\r\n")
    return WORD_JOINER + bare if bare.startswith("/") else plain


def _said(raw: Mapping[str, Any]) -> str:
    """Return the free text of a message that cannot be taken, wherever one may stand in it."""
    answers = raw.get("answers")
    typed = [value for name, value in answers.items() if _is_text(name)] if isinstance(answers, dict) else []
    return clean("\n".join(value for value in (raw.get("text"), *typed) if isinstance(value, str)))


def _is_text(name: str) -> bool:
    return name in QUESTIONS and QUESTIONS[name].kind == "text"


def _message(identifier: str, kind: str, value: Any) -> Incoming:
    if kind == "text":
        return Incoming(identifier, text=_text(value))
    if kind == "answers":
        return Incoming(identifier, answers=_answers(value))
    return _command(identifier, value)


def _after(value: Any, message: Incoming) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise BadRequest("bad_after", "after must be the number of a turn, a whole number from 0 up.", message.words)
    return value


def _number(digits: str) -> int | float:
    """Return a JSON number; raises ValueError for NaN, Infinity and what a float cannot hold."""
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("not a finite number")
    return int(digits) if digits.lstrip("-").isdigit() else value


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def _id(value: Any) -> str:
    fits = isinstance(value, str) and 1 <= len(value) <= ID_CHARACTERS and value.isascii() and value.isprintable()
    if not fits:
        raise BadRequest("bad_id", f"id must be 1 to {ID_CHARACTERS} printable ASCII characters, new for each message.")
    return str(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadRequest("bad_text", "text must be a string.")
    if len(value) > TEXT_CHARACTERS:
        wrong = f"Please write at most {TEXT_CHARACTERS} characters; this has {len(value)}."
        raise BadRequest("too_long", wrong, clean(value))
    text = clean(value)
    if not text:
        raise BadRequest("empty", "The message is empty. Please write a few words.")
    return text


def _answers(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise BadRequest("bad_answers", "answers must be an object of question ids and their answers.")
    clean_answers: dict[str, Any] = {}
    for name, answer in value.items():
        if name not in QUESTIONS:
            raise BadRequest("bad_answers", f"Unknown question {name!r:.40}; allowed: {', '.join(QUESTIONS)}.")
        try:
            clean_answers[name] = validate(name, _scrubbed(answer))
        except InvalidAnswer as error:
            wrong = f"{error.question}: this is not an answer; allowed: {error.allowed}."
            raise BadRequest("bad_answer", wrong) from None
    return clean_answers


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "ignore").decode("utf-8").replace("\x00", "")
    if isinstance(value, list):
        return [_scrubbed(item) for item in value]
    if isinstance(value, dict):
        return {name: _scrubbed(item) for name, item in value.items()}
    return value


def _command(identifier: str, value: Any) -> Incoming:
    name = value.get("name") if isinstance(value, dict) else None
    if name not in COMMANDS:
        raise BadRequest("bad_command", f"Unknown command; allowed: {', '.join(COMMANDS)}.")
    question = value.get("question")
    if question is not None and not (isinstance(question, str) and question in QUESTIONS):
        raise BadRequest("bad_command", f"Unknown question; allowed: {', '.join(QUESTIONS)}.")
    if name == "change" and question is None:
        raise BadRequest("bad_command", "change needs the id of a question.")
    return Incoming(identifier, command=name, question=question)
