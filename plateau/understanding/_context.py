"""How a stretch of text is meant: denied, past, somebody else's, only imagined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spacy.tokens import Doc

_KINDS = ("negated", "past", "other_person", "hypothetical")


@dataclass(frozen=True, slots=True)
class Assertion:
    """How one statement is meant; `words` are the cues that say so, for explanations.

    `past`: long ago or over by now; `only_over`: past for no other reason than a later "... gone now", "... fine now".
    """

    negated: bool = False
    past: bool = False
    other_person: bool = False
    hypothetical: bool = False
    only_over: bool = False
    words: tuple[str, ...] = ()

    @property
    def kinds(self) -> frozenset[str]:
        """Which of negated, past, other_person, hypothetical hold."""
        held = (self.negated, self.past, self.other_person, self.hypothetical)
        return frozenset(name for name, holds in zip(_KINDS, held, strict=True) if holds)

    @property
    def affirmed(self) -> bool:
        """True where the patient says it of themselves, now, as a fact."""
        return not self.kinds


def judge(doc: Doc, start_char: int, end_char: int, also: Sequence[tuple[int, int]] = ()) -> Assertion:
    """Return how doc.text[start_char:end_char] is meant; `doc` comes from `nlp()`.

    Cues inside the stretch do not count, nor those inside `also`: further stretches (start, end) of the same statement,
    as "don't" in "I don't feel it when I wipe". Raises ValueError when the stretch is empty or outside the text.
    """
    span = doc.char_span(start_char, end_char, alignment_mode="expand")
    if span is None or not len(span):
        raise ValueError(f"no words at {start_char}..{end_char} of a text of {len(doc.text)} characters")
    modifiers = doc._.context_graph.modifiers
    taken = [each for each in (doc.char_span(*part, alignment_mode="expand") for part in also) if each is not None]
    found: dict[str, list[str]] = {}
    types_for = any(m.category in ("TYPES_FOR", "HAPPENS_NOW") for m in modifiers)
    for modifier in modifiers:
        category = modifier.category
        first, last = modifier.modifier_span
        if category in ("NEGATED", "PAST") and any(first < part.end and part.start < last for part in taken):
            continue
        if category == "RESOLVED":
            # Closes everything told before it, across clauses; "it's gone grey" closes nothing.
            applies = first >= span.end and (last == len(doc) or doc[last].is_punct or bool(doc[last].is_sent_start))
        elif category == "OTHER_PERSON" and types_for:
            applies = False
        else:
            applies = category in _JUDGED and modifier.modifies(span)
        if applies:
            found.setdefault(category, []).append(doc[first:last].text)
    words = tuple(word for cues in found.values() for word in cues)
    over, past = "RESOLVED" in found, "PAST" in found
    return Assertion(
        negated="NEGATED" in found,
        past=past or over,
        other_person="OTHER_PERSON" in found,
        hypothetical="HYPOTHETICAL" in found,
        only_over=over and not past,
        words=words,
    )


_JUDGED = frozenset({"NEGATED", "PAST", "OTHER_PERSON", "HYPOTHETICAL"})
