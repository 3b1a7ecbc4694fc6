"""The question-aware reader: one message and the question just asked in, answers in the record's vocabulary out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any

from . import _sets
from ._by_rules import SCREEN, Message, asked
from ._decision import Seen, decide
from ._learned import Learned
from ._lexicon import lexicons, phrase_groups, spelling, vocabulary
from ._spelling import Mender
from ._text import Text, clean, plain_words

__all__ = ["SCREEN", "Reader", "Reading"]


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

    def __init__(self, today: date | None = None, learned: Learned | None = None) -> None:
        """Load lexicons, spaCy and the listener; `today` fixes what "since february" is counted to.

        `learned` is what a trained model knows beside the rules; without it the rules read alone.
        """
        # Here, not at the top: spaCy takes seconds to import and the lexicons do not need it.
        from ._context import judge
        from ._pipeline import nlp
        from .listener import Ear, Listener

        self._today = today
        self._learned = learned
        self._judge = judge
        self._nlp = nlp()
        self._listen = Listener(Ear.load()).listen
        shorthand, real_words, slips = spelling()
        self._shorthand = {**shorthand, **slips}
        self._mend = Mender(vocabulary(), real_words).mend
        lexicons()

    def read(self, text: str, question: str | None = None, known: Mapping[str, Any] | None = None) -> Reading:
        """Return what `text` says, asked `question`; `known` are the answers so far. Never raises."""
        flags = self._listen(clean(text), known, asked=question == SCREEN)
        answers, intent, doubts = decide(self.seen(text, question))
        return Reading(answers, intent, flags, tuple(doubts))

    def seen(self, text: str, question: str | None) -> Seen:
        """Return what the rules see in `text`, asked `question`: what the decision, and training, go by."""
        raw = clean(text)
        plain = plain_words(raw, self._shorthand, self._mend)
        message = Message(Text(raw, plain), question, self._today or date.today(), self._context(plain))
        return Seen(message, self._learned)

    def beside(self, text: str, question: str) -> Any:
        """Return the answer to a question that was shown but not the one asked, by the rules alone; None where none."""
        return asked(self.seen(text, question).message)[0].get(question)

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
