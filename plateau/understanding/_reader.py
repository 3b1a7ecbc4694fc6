"""The question-aware reader: one message and the question just asked in, answers in the record's vocabulary out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any

from . import _age, _choices, _digressions, _durations, _free, _frequency, _numbers, _sets
from ._lexicon import lexicons, phrase_groups, spelling, vocabulary
from ._spelling import Mender
from ._text import Text, clean, plain_words

Doubts = list[tuple[str, str]]

SCREEN = "red_flags"
CHOICES = (
    "for_whom", "pregnancy", "side", "onset", "joint_replacement", "diagnosis_fit", "progress", "effort", "sleep",
    "nutrition", "stress", "mood", "confidence", "smoking", "pain_spread", "night_pain", "told_therapist",
)  # fmt: skip
# Asked by the conversation, not part of the answer record.
CONVERSATION = ("country", "consent", "review")
SETS = (
    "hep_barriers",
    "session_response",
    "treatment_type",
    "conditions",
    "medicines",
    "pain_quality",
    "mechanical",
    "tried",
)
UNSURE = {"onset": "unsure", "diagnosis_fit": "unsure"}
# Decisions that a word in passing must not take.
DECISIONS = ("consent", "review")
# What a message may answer besides the question asked, when that question was answered: its near neighbours only.
NEIGHBOURS = {
    "body_region": ("side",),
    "side": ("body_region",),
    "for_whom": ("country",),
    "country": ("for_whom",),
    "age_band": ("body_region", "side"),
    "hurts_at": ("side",),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What one message says: answers by question id, the digression if it is one, red flags, doubts to say back."""

    answers: Mapping[str, Any] = field(default_factory=dict)
    intent: str | None = None
    red_flags: tuple[Any, ...] = ()
    doubts: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return answers, intent and red flags as `plateau read` prints them."""
        flags = [flag.to_dict() for flag in self.red_flags]
        return {"answers": dict(self.answers), "intent": self.intent, "red_flags": flags}


class Reader:
    """Reads messages against the question just asked. Make one and share it: it holds no state between readings."""

    def __init__(self, today: date | None = None) -> None:
        """Load lexicons, spaCy and the listener; `today` fixes what "since february" is counted to."""
        # Here, not at the top: spaCy takes seconds to import and the lexicons do not need it.
        from ._context import judge
        from ._pipeline import nlp
        from .listener import Listener

        self._today = today
        self._judge = judge
        self._nlp = nlp()
        self._listen = Listener().listen
        shorthand, real_words, slips = spelling()
        self._shorthand = {**shorthand, **slips}
        self._mend = Mender(vocabulary(), real_words).mend
        lexicons()

    def read(
        self,
        text: str,
        question: str | None = None,
        intent: str | None = None,
        confidence: float = 0.0,
        known: Mapping[str, Any] | None = None,
    ) -> Reading:
        """Return what `text` says; `intent`, `confidence`: the trained classifier's guess, `known`: the answers so far.

        Never raises.
        """
        raw = clean(text)
        flags = tuple(self._listen(raw, known))
        plain = plain_words(raw, self._shorthand, self._mend)
        message = _Message(Text(raw, plain), question, self._today or date.today(), self._context(plain))
        guess = intent if intent not in (None, "answer", "nlu_fallback") else None
        answers, decided, doubts = _decide(message, guess, confidence)
        return Reading(answers, decided, flags, tuple(doubts))

    def named(self, text: str) -> str | None:
        """Return the question that a message names, as in "change my sleep answer"; None where it names none."""
        found = phrase_groups("_corrections").find(plain_words(clean(text), self._shorthand, self._mend))
        return found[0].value if found else None

    def settles(self, text: str) -> str | None:
        """Return "mistake" or "checked" where a message says so of what was heard as an emergency, else None."""
        plain = plain_words(clean(text), self._shorthand, self._mend)
        groups = phrase_groups("_settle")
        return next((group for group in ("checked", "mistake") if groups.find_group(group, plain)), None)

    def _context(self, plain: str) -> _sets.Judge:
        @lru_cache(maxsize=1)
        def parsed() -> Any:
            return self._nlp(plain)

        return lambda start, end: self._judge(parsed(), start, end).kinds


@dataclass(frozen=True, slots=True)
class _Message:
    text: Text
    question: str | None
    today: date
    judge: _sets.Judge

    @property
    def plain(self) -> str:
        return self.text.plain


def _decide(message: _Message, guess: str | None, confidence: float) -> tuple[dict[str, Any], str | None, Doubts]:
    plain, question = message.plain, message.question
    if not plain:
        return {}, guess, []
    whole = _digressions.whole_digression(plain)
    if whole and not _answers_after_all(message, whole):
        return _set_aside(question, whole), whole, []
    mended = _correction(message)
    if mended:
        return mended
    asks = _digressions.is_question(plain)
    partial = _digressions.partial_digression(plain)
    sure_guess = guess if confidence >= 0.7 or confidence == 0.0 else None
    likely = partial or sure_guess
    if question in _free.TEXTS or question == "activities":
        if (partial and partial != "dont_know") or (sure_guess and asks) or (asks and plain.endswith("?")):
            digression = partial or sure_guess or "ask_faq"
            return _set_aside(question, digression), digression, []
        answers, doubts = _asked(message)
        answers = {**_also(message, answers), **answers}
        return answers, (None if answers else likely or guess), doubts
    if question in _NOT_FROM_QUESTIONS and _digressions.asks_to_know(plain):
        asked_of = partial or guess or "ask_faq"
        return _set_aside(question, asked_of), asked_of, []
    answers, doubts = _asked(message)
    if not answers and not (asks or partial in _CLOSED):
        answers = _volunteered(message)
    elif answers and asks and partial not in (None, "dont_know"):
        answers, doubts = {}, []
    elif answers:
        answers = {**_also(message, answers), **answers}
    if answers:
        return answers, None, doubts
    aside = partial or guess or ("ask_faq" if asks else None)
    return _set_aside(question, aside), aside, doubts


# Digressions that volunteer nothing, however their words look.
_CLOSED = (
    "privacy",
    "medication_question",
    "diagnosis_request",
    "ask_why",
    "out_of_scope",
    "human",
    "go_back",
    "restart",
    "stop",
    "skip",
)


def _answers_after_all(message: _Message, whole: str) -> bool:
    """Tell whether what looks like small talk or not knowing answers the question asked."""
    question = message.question
    if whole == "dont_know":
        return question in UNSURE
    if whole not in ("affirm", "deny", "human", *(("skip",) if question in DECISIONS else ())) or question is None:
        return False
    answers, doubts = _asked(message)
    # A bare yes to a safety list answers nothing yet, but it is no small talk either.
    return bool(answers or doubts)


def _set_aside(question: str | None, digression: str | None) -> dict[str, Any]:
    """Return the answer that a digression leaves: skipped or unknown, else nothing."""
    state = {"skip": "skipped", "dont_know": "unknown"}.get(digression or "")
    return {question: state} if state and question and question != SCREEN and question in _READERS else {}


def _correction(message: _Message) -> tuple[dict[str, Any], str | None, Doubts] | None:
    found = _digressions.correction(message.plain)
    if found is None:
        return None
    rest, firm = found
    asked, _ = _asked(message)
    named = [m.value for m in phrase_groups("_corrections").find(message.plain)]
    if asked and not (firm and named and message.question not in named):
        return None
    for question in named:
        answers, _ = _READERS[question](_Message(Text(rest, rest), question, message.today, message.judge), question)
        if question in answers:
            return {question: answers[question]}, "correct_answer", []
    return ({}, "correct_answer", []) if firm else None


def _asked(message: _Message) -> tuple[dict[str, Any], Doubts]:
    question = message.question
    if question is None or question not in _READERS:
        return {}, []
    return _READERS[question](message, question)


def _screen(message: _Message, question: str) -> tuple[dict[str, Any], Doubts]:
    groups = phrase_groups("_screen")
    if groups.find_group("unsure", message.plain):
        return {}, [(SCREEN, "unsure")]
    denied = groups.find_group("no", message.plain)
    if _choices.yes_or_no(message.plain) is False or (denied and _choices.is_the_point(message.plain, denied.span())):
        return {SCREEN: []}, []
    return {}, [(SCREEN, "yes")] if _choices.yes_or_no(message.plain) else []


def _pain(message: _Message, question: str) -> tuple[dict[str, Any], Doubts]:
    answers, doubts = _numbers.read_pain(message.plain, question)
    return dict(answers), doubts


def _days(message: _Message, question: str) -> tuple[dict[str, Any], Doubts]:
    answers, doubts = _frequency.read_days(message.plain, question)
    return dict(answers), doubts


def _time(message: _Message, question: str) -> tuple[dict[str, Any], Doubts]:
    answers, doubts = _durations.read_time(message.plain, question, message.today)
    return dict(answers), doubts


def _choice(message: _Message, question: str) -> tuple[dict[str, Any], Doubts]:
    if question in DECISIONS and not _choices.decides(message.plain, question):
        return {}, []
    if question in UNSURE and _digressions.whole_digression(message.plain) == "dont_know":
        return {question: UNSURE[question]}, []
    value = _choices.read_choice(message.plain, question)
    return ({question: value} if value else {}), []


def _region(message: _Message, question: str) -> tuple[dict[str, Any], Doubts]:
    matches = lexicons()["body_region"].asked.find(message.plain)
    value = _choices.pick_region(message.plain, matches)
    return ({question: value} if value else {}), []


def _age_band(message: _Message, question: str) -> tuple[dict[str, Any], Doubts]:
    value = _age.read_age(message.plain, message.today)
    return ({question: value} if value else {}), []


def _set(message: _Message, question: str) -> tuple[dict[str, Any], Doubts]:
    values = _sets.read_set(message.plain, question, message.judge)
    return ({question: values} if values else {}), []


def _free_text(message: _Message, question: str) -> tuple[dict[str, Any], Doubts]:
    value = _free.read_free(message.text, question)
    return ({question: value} if value else {}), []


def _activities(message: _Message, question: str) -> tuple[dict[str, Any], Doubts]:
    found = _free.read_activities(message.text)
    return ({question: found} if found else {}), []


# "should i get an mri" is no answer to what was tried; "is it a 7?" may be one to how bad the pain is.
_NOT_FROM_QUESTIONS = frozenset((*CHOICES, *SETS, "body_region", "hurts_at", "age_band"))

_READERS: Mapping[str, Callable[[_Message, str], tuple[dict[str, Any], Doubts]]] = {
    SCREEN: _screen,
    "age_band": _age_band,
    "activities": _activities,
    **dict.fromkeys(_numbers.PAIN, _pain),
    **dict.fromkeys(_frequency.DAYS, _days),
    **dict.fromkeys(_durations.TIME, _time),
    **dict.fromkeys((*CHOICES, *CONVERSATION), _choice),
    **dict.fromkeys(("body_region", "hurts_at"), _region),
    **dict.fromkeys(SETS, _set),
    **dict.fromkeys(_free.TEXTS, _free_text),
}


def _also(message: _Message, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a message that answered its question says of the near neighbours of it."""
    question = message.question or ""
    also: dict[str, Any] = {}
    for neighbour in NEIGHBOURS.get(question, ()):
        value = _choices.volunteered_choice(message.plain, neighbour)
        if value:
            also[neighbour] = value
    if question in (*CHOICES, *SETS) and question != "for_whom":
        visits = _durations.count_visits(message.plain, strict=True)
        if visits is not None:
            also["sessions"] = visits
    if question == "diagnosis_given":
        matches = lexicons()["body_region"].unasked.find(message.plain)
        if matches and phrase_groups("_regions").find_group("stressed", message.plain):
            also["body_region"] = _choices.pick_region(message.plain, matches)
    return also


def _volunteered(message: _Message) -> dict[str, Any]:
    """Return the answers that a message gives unasked, each tied to words that name what it is about."""
    plain, answers = message.plain, dict[str, Any]()
    matches = lexicons()["body_region"].unasked.find(plain)
    region = _choices.pick_region(plain, matches) if matches else None
    if region:
        answers["body_region"] = region
    for name in CHOICES:
        value = _choices.volunteered_choice(plain, name)
        if value:
            answers[name] = value
    for name in SETS:
        values = _sets.volunteered_set(plain, name, message.judge)
        if values:
            answers[name] = values
    answers.update(_durations.volunteered_time(plain, message.today))
    answers.update(_frequency.volunteered_days(plain))
    answers.update(_numbers.volunteered_pain(plain))
    age = _age.volunteered_age(plain)
    if age and message.question in (None, "for_whom"):
        answers["age_band"] = age
    return answers
