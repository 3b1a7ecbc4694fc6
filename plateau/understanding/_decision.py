"""Decides what a message is: an answer to the question asked, other answers, or a digression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from . import _by_rules, _digressions, _free
from ._by_rules import CHOICES, NOT_TOLD, SCREEN, SETS, UNSURE, Doubts, Message
from ._learned import Learned
from ._lexicon import lexicons, phrase_groups
from ._text import Text

# The decision between the digressions and an answer; the other decisions are named by their question.
INTENT = "intent"
ANSWER = "answer"
# A value that stands for "the words answer something else".
NOTHING = "-"
# What diagnosis_given is learned as: a name was told, or none (NOT_TOLD).
TOLD = "told"
# Questions whose answers the reader also learns from examples: what is said of these has no end.
LEARNED = frozenset((*CHOICES, *SETS, "diagnosis_given"))

# How likely a value must be to be taken; below, it is better asked again.
LIKELY = 0.6
LIKELIEST = 0.3
# So few words are read by the rules alone, where they read them.
SHORT = 2
# Words that say nothing of the value.
FILLERS = frozenset("tbh honestly honest really just actually mostly pretty much i guess think to be its im so".split())
# How likely a value must be to stand against a likelier digression.
SURE_OF_VALUE = 0.95
# How much likelier a digression than an answer must be where any words may be the answer, and where a number was read.
SURE = 0.3
SURE_OF_DIGRESSION = 0.65


class Branch(StrEnum):
    """Which way a decision went, and why."""

    NO_WORDS = "there are no words to read"
    WHOLE = "the whole message is this digression, in words that the rules know, and answers nothing that was asked"
    CORRECTION = "it says that an earlier answer was wrong"
    OWN_WORDS = "own words were asked for, and these are nothing else"
    NOT_OWN_WORDS = "own words were asked for, but these are a question or plainly a digression"
    VALUE = "a value of the question asked is likely enough"
    DIGRESSION = "a digression is likelier than an answer, and it asks something or no value is sure enough"
    NO_VALUE = "no value of the question asked is likely enough"
    ASKS_TO_KNOW = "it asks to know something, so an answer's words in it answer nothing"
    RULES = "the rules read an answer to the question asked"
    UNASKED = "no question asked was answered, but the rules read other answers in it"
    SET_ASIDE = "the rules read an answer, but it is a question or plainly a digression"
    NO_ANSWER = "no answer was read"


class Decided(NamedTuple):
    """What a message was decided to be: answers, the digression if it is one, doubts to say back, and how it came."""

    answers: dict[str, Any]
    intent: str | None
    doubts: Doubts
    branch: Branch


@dataclass(frozen=True)
class Seen:
    """A message with what the rules see in it; the cues are what examples are judged by besides their words."""

    message: Message
    learned: Learned | None = None
    _judged: dict[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def plain(self) -> str:
        return self.message.plain

    @cached_property
    def asked(self) -> tuple[dict[str, Any], Doubts]:
        """What the rules read as the answer to the question asked."""
        return _by_rules.asked(self.message)

    @cached_property
    def whole(self) -> str | None:
        return _digressions.whole_digression(self.plain)

    @cached_property
    def partial(self) -> str | None:
        return _digressions.partial_digression(self.plain)

    @cached_property
    def asks(self) -> bool:
        return _digressions.is_question(self.plain)

    @cached_property
    def intent_cues(self) -> dict[str, float]:
        """What the rules see that bears on digression or answer."""
        cues = {
            f"whole {self.whole}": self.whole is not None,
            f"partial {self.partial}": self.partial is not None,
            "asks": self.asks,
            "asks to know": _digressions.asks_to_know(self.plain),
            "question mark": self.plain.endswith("?"),
            "corrects": _digressions.correction(self.plain) is not None,
            "reads": bool(self.asked[0]),
            f"asked {_kind(self.message.question)}": True,
            f"asked {_kind(self.message.question)} and reads": bool(self.asked[0]),
        }
        return {cue: 1.0 for cue, holds in cues.items() if holds}

    @cached_property
    def answer_cues(self) -> dict[str, float]:
        """What the rules see that bears on the value of the answer."""
        question = self.message.question
        if question not in LEARNED:
            return {}
        read = self.asked[0].get(question)
        values = read if isinstance(read, list) else [] if read is None else [read]
        if question == "diagnosis_given":
            # Of own words only that nobody told the patient is a value.
            return {"reads not_told": 1.0} if values == [NOT_TOLD] else {}
        said = {match.value for match in lexicons()[question].asked.find(self.plain)}
        return {**{f"says {v}": 1.0 for v in said}, **{f"reads {v}": 1.0 for v in values or ("nothing",)}}

    @cached_property
    def intent(self) -> Mapping[str, float]:
        """How likely each intent is; empty without a model."""
        return self._judge(INTENT, self.intent_cues)

    @cached_property
    def values(self) -> Mapping[str, float]:
        """How likely each value of the question asked is; empty without a model or examples."""
        return self._judge(self.message.question or "", self.answer_cues)

    def _judge(self, head: str, cues: Mapping[str, float]) -> Mapping[str, float]:
        if self.learned is None or not self.learned.knows(head):
            return {}
        return self.learned.judge(head, self._features, cues)

    @cached_property
    def _features(self) -> Any:
        return self.learned.features(self.plain) if self.learned else None


def _kind(question: str | None) -> str:
    return "nothing" if question is None else "words" if question in (*_free.TEXTS, "activities") else question


def decide(seen: Seen) -> Decided:
    """Return the answers of a message, the digression if it is one, and the doubts to say back."""
    plain, question = seen.plain, seen.message.question
    if not plain:
        return Decided({}, None, [], Branch.NO_WORDS)
    if seen.whole and not _answers_after_all(seen, seen.whole):
        return Decided(_set_aside(question, seen.whole), seen.whole, [], Branch.WHOLE)
    mended = _correction(seen)
    if mended:
        return mended
    guess, sure = likeliest(seen)
    if question in _free.TEXTS or question == "activities":
        return _own_words(seen, guess, sure)
    if question in LEARNED and seen.values:
        return _by_examples(seen, guess, sure)
    if question in _by_rules.NOT_FROM_QUESTIONS and _digressions.asks_to_know(plain):
        asked_of = seen.partial or guess or "ask_faq"
        return Decided(_set_aside(question, asked_of), asked_of, [], Branch.ASKS_TO_KNOW)
    return _by_rule(seen, guess, sure)


def _by_rule(seen: Seen, guess: str | None, sure: float) -> Decided:
    """Take what the rules read, unless the message is a question or plainly a digression."""
    question = seen.message.question
    answers, doubts = seen.asked
    if answers and not _is_aside(seen, guess, sure):
        return Decided({**_by_rules.also(seen.message, answers), **answers}, None, doubts, Branch.RULES)
    if not answers and not (seen.asks or seen.partial in _CLOSED):
        story = question is None and bool(seen.intent) and guess is None
        if told := _by_rules.volunteered(seen.message, story):
            return Decided(told, None, doubts, Branch.UNASKED)
    aside = seen.partial or guess or ("ask_faq" if seen.asks else None)
    branch = Branch.SET_ASIDE if answers else Branch.NO_ANSWER
    return Decided(_set_aside(question, aside), aside, [] if answers else doubts, branch)


def _is_aside(seen: Seen, guess: str | None, sure: float) -> bool:
    """Tell whether a message that the rules read an answer from is a digression all the same."""
    if seen.asks:
        return guess is not None or seen.partial not in (None, "dont_know")
    # A yes, a no or a greeting beside an answer is politeness.
    return guess is not None and guess not in _digressions.SMALL_TALK and sure > SURE_OF_DIGRESSION


def _own_words(seen: Seen, guess: str | None, sure: float) -> Decided:
    """Keep the patient's own words unless they are plainly something else."""
    question, partial = seen.message.question, seen.partial
    if seen.whole == "deny" and seen.asked[0]:
        # "No" to what is better: nothing is.
        return Decided(seen.asked[0], None, [], Branch.OWN_WORDS)
    # With a model, words that only look like a digression are weighed; without one, looks decide.
    looks = not seen.intent and partial not in (None, "dont_know")
    if looks or (guess and (seen.asks or partial == guess or sure > SURE)) or seen.plain.endswith("?"):
        digression = partial or guess or "ask_faq"
        return Decided(_set_aside(question, digression), digression, [], Branch.NOT_OWN_WORDS)
    answers, doubts = seen.asked
    beside = _by_rules.also(seen.message, answers)
    # Who says whether it fits was told something that can.
    nameless = question == "diagnosis_given" and beside.get("diagnosis_fit") in (None, "unsure")
    if nameless and answers and seen.values.get(NOT_TOLD, 0.0) > seen.values.get(TOLD, 0.0):
        answers = {"diagnosis_given": NOT_TOLD}
        beside = _by_rules.also(seen.message, answers)
    answers = {**beside, **answers}
    return Decided(answers, None if answers else partial or guess, doubts, Branch.OWN_WORDS)


def _by_examples(seen: Seen, guess: str | None, sure: float) -> Decided:
    """Weigh the likeliest value of the question asked against the likeliest digression."""
    question = str(seen.message.question)
    read = _likely(seen, question)
    best = max(seen.values.values())
    if guess in _digressions.SMALL_TALK:
        # "No" to "do you smoke?" is the answer; what is small talk and nothing else was found before.
        guess = None
    # "how many shots is too many" names a value as an answer would: what asks is weighed as a question.
    if guess and (seen.asks or best < SURE_OF_VALUE):
        return Decided(_set_aside(question, guess), guess, [], Branch.DIGRESSION)
    if not read:
        answers = {} if guess or seen.asks or seen.partial in _CLOSED else _by_rules.volunteered(seen.message)
        if answers:
            return Decided(answers, None, [], Branch.UNASKED)
        return Decided(_set_aside(question, guess), guess, [], Branch.NO_VALUE)
    answers = {**_by_rules.also(seen.message, {question: read}), question: read}
    return Decided(answers, None, [], Branch.VALUE)


def _likely(seen: Seen, question: str) -> str | list[str] | None:
    """Return the value, or for a set the values, likely enough to be taken; None where none is."""
    by_rule: str | list[str] | None = seen.asked[0].get(question)
    if by_rule and sum(word.strip(",.!") not in FILLERS for word in seen.plain.split()) <= SHORT:
        # "3", "too easy tbh": too few words to weigh, and just what the rules are for.
        return by_rule
    ranked = sorted(seen.values, key=lambda value: -seen.values[value])
    if ranked[0] == NOTHING:
        # What the rules read of a choice stands: the examples only say that they have not met such words.
        return by_rule if question in CHOICES else None
    if question in CHOICES:
        return ranked[0] if seen.values[ranked[0]] >= LIKELIEST else None
    taken = [value for value in ranked if seen.values[value] >= LIKELY and value != NOTHING]
    if not taken and seen.values[ranked[0]] >= LIKELIEST:
        taken = ranked[:1]
    named = [value for value in taken if value != "none"]
    if taken and not named and by_rule and by_rule != taken:
        # "It is weak but it does not lock": what the rules found is not outweighed by a "none".
        return by_rule
    return named or taken or None


def likeliest(seen: Seen) -> tuple[str | None, float]:
    """Return the likeliest intent, None where it is an answer, and how much likelier than an answer it is."""
    if not seen.intent:
        return None, 0.0
    best = max(seen.intent, key=lambda name: seen.intent[name])
    return (None if best == ANSWER else best), seen.intent[best] - seen.intent[ANSWER]


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


def _answers_after_all(seen: Seen, whole: str) -> bool:
    """Tell whether what looks like small talk or not knowing answers the question asked."""
    question = seen.message.question
    if whole == "dont_know":
        return question in UNSURE
    if (
        whole not in ("affirm", "deny", "human", *(("skip",) if question in _by_rules.DECISIONS else ()))
        or question is None
    ):
        return False
    answers, doubts = seen.asked
    # A bare yes to a safety list answers nothing yet, but it is no small talk either.
    return bool(answers or doubts)


def _set_aside(question: str | None, digression: str | None) -> dict[str, Any]:
    """Return the answer that a digression leaves: skipped or unknown, else nothing."""
    state = {"skip": "skipped", "dont_know": "unknown"}.get(digression or "")
    return {question: state} if state and question and question != SCREEN and question in _by_rules.READERS else {}


def _correction(seen: Seen) -> Decided | None:
    message = seen.message
    found = _digressions.correction(message.plain)
    if found is None:
        return None
    rest, firm = found
    asked, _ = seen.asked
    named = [m.value for m in phrase_groups("_corrections").find(message.plain)]
    if asked and not (firm and named and message.question not in named):
        return None
    for question in named:
        answers, _ = _by_rules.READERS[question](
            Message(Text(rest, rest), question, message.today, message.judge), question
        )
        if question in answers:
            return Decided({question: answers[question]}, "correct_answer", [], Branch.CORRECTION)
    return Decided({}, "correct_answer", [], Branch.CORRECTION) if firm else None
