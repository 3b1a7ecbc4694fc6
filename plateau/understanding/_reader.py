"""The question-aware reader: one message and the question just asked in, answers in the record's vocabulary out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from . import _sets
from ._by_rules import SCREEN, Message, asked
from ._choices import lexicon_of
from ._decision import Branch, Seen, decide
from ._digressions import asks_again, correction
from ._learned import Learned
from ._lexicon import lexicons, phrase_groups, spelling, vocabulary
from ._numbers import scores_in_order
from ._settled import Settled, read_settled
from ._spelling import Mender
from ._text import Text, clean, plain_words

if TYPE_CHECKING:
    from .listener import Hearing

__all__ = ["SCREEN", "Reader", "Reading"]


@dataclass(frozen=True, slots=True)
class Trace:
    """How a reading came about: what was seen and heard in the message, and which way the decision went."""

    seen: Seen
    branch: Branch
    hearing: Hearing


@dataclass(frozen=True, slots=True)
class Reading:
    """What one message says: answers by question id, the digression if it is one, red flags, doubts to say back."""

    answers: Mapping[str, Any] = field(default_factory=dict)
    intent: str | None = None
    red_flags: tuple[Any, ...] = ()
    doubts: tuple[tuple[str, str], ...] = ()
    trace: Trace | None = field(default=None, repr=False, compare=False)

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
        self._hear = Listener(Ear.load()).hear
        self._spelling = spelling()
        self._mend = Mender(vocabulary(), self._spelling.real_words).mend
        lexicons()

    def read(self, text: str, question: str | None = None, known: Mapping[str, Any] | None = None) -> Reading:
        """Return what `text` says, asked `question`; `known` are the answers so far. Never raises."""
        hearing = self._hear(clean(text), known, asked=question == SCREEN)
        seen = self.seen(text, question)
        answers, intent, doubts, branch = decide(seen)
        return Reading(answers, intent, hearing.flags, tuple(doubts), Trace(seen, branch, hearing))

    def seen(self, text: str, question: str | None) -> Seen:
        """Return what the rules see in `text`, asked `question`: what the decision, and training, go by."""
        raw = clean(text)
        mended: dict[str, str] = {}
        plain = self._plain(raw, mended)
        message = Message(Text(raw, plain, mended), question, self._today or date.today(), self._context(plain))
        return Seen(message, self._learned)

    def beside(self, text: str, question: str) -> Any:
        """Return the answer to a question that was shown but not the one asked, by the rules alone; None where none."""
        return self.reads(text, question).get(question)

    def reads(self, text: str, question: str) -> Mapping[str, Any]:
        """Return what the rules alone read in `text` as the answer to `question`: of it, and of its like."""
        return asked(self.seen(text, question).message)[0]

    def brief(self, text: str) -> str | None:
        """Return what a brief answer says of what is shown beside it: same, all, both, yes, first ... last."""
        return phrase_groups("_brief").whole(self._plain(clean(text)))

    def scores(self, text: str) -> list[int]:
        """Return the pain scores of a message that holds nothing else, in the order said."""
        return scores_in_order(self._plain(clean(text)))

    def asks_again(self, text: str) -> bool:
        """Tell whether a message only wishes to be asked the same question once more."""
        return asks_again(self._plain(clean(text)))

    def touches(self, text: str, question: str) -> bool:
        """Tell whether a message names values of a question, be it to deny them: then it is about that question."""
        lexicon = lexicons().get(lexicon_of(question))
        plain = self._plain(clean(text))
        return lexicon is not None and bool(lexicon.asked.find(plain))

    def named(self, text: str) -> str | None:
        """Return the question that a message names, as in "change my sleep answer"; None where it names none."""
        found = phrase_groups("_corrections").find(self._plain(clean(text)))
        return found[0].value if found else None

    def settles(self, text: str) -> Settled | None:
        """Return what a message says of a red flag that was heard: a mistake, or checked since; None where neither."""
        return read_settled(self._plain(clean(text)))

    def mends(self, text: str, question: str) -> tuple[Any, bool]:
        """Return the new answer in "no, I meant 6" to what was said back of `question`; and whether it was disowned.

        None where there is no new answer; a message that only says "that is wrong" disowns without one.
        """
        plain = self._plain(clean(text))
        if phrase_groups("_said_back").whole(plain) == "wrong":
            return None, True
        found = phrase_groups("_said_back").find_group("new", plain)
        firm = correction(plain)
        rest = plain[found.end() :] if found else firm[0] if firm and firm[1] else ""
        if not rest or self.named(rest):
            return None, False
        return self.beside(rest, question), False

    def _plain(self, raw: str, mended: dict[str, str] | None = None) -> str:
        plain = plain_words(raw, self._spelling.shorthand, self._mend, mended)
        return self._spelling.alone.get(plain.strip(" .,!"), plain)

    def _context(self, plain: str) -> _sets.Judge:
        @lru_cache(maxsize=1)
        def parsed() -> Any:
            return self._nlp(plain)

        return lambda start, end: self._judge(parsed(), start, end)
