"""Hears red flags in one message: with ConText (`Listener`), or with simple denial words only (`listen_plainly`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from plateau.understanding.listener._ear import Ear, Weighed
from plateau.understanding.listener._heard import Heard, quote
from plateau.understanding.listener._patterns import Hit, Span
from plateau.understanding.listener._rules import FLAGS, TIERS, Concept, Rule, RuleSet, load_rules
from plateau.understanding.listener._words import Word, plain, split

_CHUNK, _OVERLAP = 400, 100
# Words that may stand between a denial and what is denied, when there is no ConText to ask.
_BETWEEN = frozenset({"any", "a", "an", "real", "really", "much", "such", "of"})
# "No, can't pee": a denial before one of these answers a question and denies nothing.
_ITSELF_NEGATIVE = frozenset({"cant", "cannot", "couldnt", "wont", "dont", "havent", "no", "not", "nothing", "unable"})

# Tells in which ways (negated, past, ...) the words of a span do not count; words of the hit itself are no cue.
Judge = Callable[[Span, Hit], frozenset[str]]


class Listener:
    """Hears red flags: by the rules, told apart from denials, the past and other people by spaCy, and by ear.

    The ear is what `make setup` learned from the examples. Without it the rules listen alone.
    """

    def __init__(self, ear: Ear | None = None) -> None:
        # Only here: the import takes seconds, and `listen_plainly` must live without it.
        from plateau.understanding._context import judge
        from plateau.understanding._pipeline import nlp

        self._rules = load_rules()
        self._ear = ear
        self._judge = judge
        self._nlp = nlp()

    def listen(self, text: str, known: Mapping[str, Any] | None = None, *, asked: bool = False) -> tuple[Heard, ...]:
        """Return the red flags in `text`, most urgent first. `known` are answers so far; they sharpen combinations.

        `asked`: a safety list was just asked, so what a rule hears is not doubted.

        Never raises on any text.
        """
        return self.hear(text, known, asked=asked).flags

    def hear(self, text: str, known: Mapping[str, Any] | None = None, *, asked: bool = False) -> Hearing:
        """Return what `listen` does together with how it came to it."""
        return _listen(self._rules, text, known or {}, self._judge_of, self._ear, asked)

    def seen(self, text: str) -> tuple[str, dict[str, float]]:
        """Return the words of `text` as they are matched, and what the rules find in it: what the ear learns from."""
        words = split(text)
        found = Found(self._rules, text, words, {}, self._judge_of)
        return plain(words), found.cues

    def _judge_of(self, words: Sequence[Word]) -> Judge:
        starts, at = [], 0
        for word in words:
            starts.append(at)
            at += len(word.plain) + 1
        doc: Any = None
        plainly = _plain_judge(words, self._rules.denials)

        def bounds(span: Span) -> tuple[int, int]:
            return starts[span[0]], starts[span[1] - 1] + len(words[span[1] - 1].plain)

        def judged(span: Span, hit: Hit) -> frozenset[str]:
            nonlocal doc
            if doc is None:
                doc = self._nlp(" ".join(word.plain for word in words))
            meant = self._judge(doc, *bounds(span), [bounds(part) for part in hit.parts])
            kinds = meant.kinds - {"past"} | {"resolved"} if meant.only_over else meant.kinds
            # What the last resort takes as denied is denied here too, so it never hears less than this.
            return kinds | plainly(span, hit)

        return judged


def listen_plainly(text: str, known: Mapping[str, Any] | None = None) -> tuple[Heard, ...]:
    """Return the red flags in `text` without spaCy: the last resort.

    Same rules and data as `Listener`, but only plain denials ("no ...", "don't have ...") count: it may over-alarm a
    little, and hears every emergency that `Listener` hears.
    """
    rules = load_rules()
    return _listen(rules, text, known or {}, lambda words: _plain_judge(words, rules.denials)).flags


@dataclass(frozen=True, slots=True)
class Stretch:
    """What became of one stretch of a message: what the rules found in it, and what the ear made of that."""

    found: Found
    weighed: Weighed | None

    @property
    def heard(self) -> tuple[Heard, ...]:
        return self.found.heard if self.weighed is None else (*self.weighed.kept, *self.weighed.added)


@dataclass(frozen=True, slots=True)
class Hearing:
    """The red flags of a message, most urgent first, and the stretches they were heard in by rules and `ear`."""

    flags: tuple[Heard, ...]
    stretches: tuple[Stretch, ...]
    ear: Ear | None


def _plain_judge(words: Sequence[Word], denials: frozenset[tuple[str, ...]]) -> Judge:
    def judged(span: Span, hit: Hit) -> frozenset[str]:
        end = span[0]
        if words[end].plain in _ITSELF_NEGATIVE:
            return frozenset()
        while end > 0 and words[end - 1].plain in _BETWEEN:
            end -= 1
        first = max([0, end - 3, *(last for _, last in hit.parts if last <= end)])
        before = [word.plain for word in words[first:end]]
        denied = any(tuple(before[-length:]) in denials for length in (1, 2, 3) if length <= len(before))
        return frozenset({"negated"}) if denied else frozenset()

    return judged


def _listen(
    rules: RuleSet,
    text: str,
    known: Mapping[str, Any],
    judge_of: Callable[[Sequence[Word]], Judge],
    ear: Ear | None = None,
    asked: bool = False,
) -> Hearing:
    best: dict[str, Heard] = {}
    stretches = []
    words = split(text)
    for start in range(0, max(1, len(words) - _OVERLAP), _CHUNK - _OVERLAP):
        chunk = words[start : start + _CHUNK]
        found = Found(rules, text, chunk, known, judge_of)
        weighed = ear.weigh(text, chunk, found.heard, found.cues, asked) if ear else None
        stretches.append(Stretch(found, weighed))
        for heard in stretches[-1].heard:
            if heard.id not in best or TIERS.index(heard.tier) > TIERS.index(best[heard.id].tier):
                best[heard.id] = heard
    flags = sorted(best.values(), key=lambda heard: (-TIERS.index(heard.tier), FLAGS.index(heard.id)))
    return Hearing(tuple(flags), tuple(stretches), ear)


class Found:
    """What the rules find in one stretch of words: the red flags that fire, and every concept said."""

    def __init__(
        self,
        rules: RuleSet,
        text: str,
        words: Sequence[Word],
        known: Mapping[str, Any],
        judge_of: Callable[[Sequence[Word]], Judge],
    ) -> None:
        self._rules, self._text, self._words, self._known = rules, text, words, known
        self._found = rules.matcher.find(words, rules.speller)
        self._judge, self._plain = judge_of(words), _plain_judge(words, rules.denials)
        self._said: dict[str, Hit | None] = {}
        self._softened: dict[str, bool] = {}
        self.fired = tuple(self._fired()) if self._found else ()
        self.heard = tuple(heard for _, heard in self.fired)

    def said(self) -> Iterator[tuple[str, str, frozenset[str]]]:
        """Yield every concept said, its words, and what speaks against its counting: nothing where it is meant."""
        for key in (key for key in self._found if not key.startswith("!")):
            hit = self._hit(key) or self._found[key][0]
            against = _against(self._rules.concepts[key], self._found, hit, self._judge)
            yield key, self._quote([hit]), frozenset(against)

    @property
    def cues(self) -> dict[str, float]:
        """What fired, and at half its weight every concept meant of the patient now: most are parts of common words."""
        said = (key for key in self._found if not key.startswith("!"))
        meant = {f"meant {key}": 0.5 for key in said if self._hit(key) is not None}
        fired = (name for heard in self.heard for name in ("heard", f"heard {heard.id}", f"heard {heard.tier}"))
        return meant | dict.fromkeys(fired, 1.0)

    def _fired(self) -> Iterator[tuple[Rule, Heard]]:
        # Most rules lack a concept that nobody said and we do not know of; only the rest is weighed.
        known = {key for key in self._rules.knowable if _is_known(self._rules.concepts[key].known, self._known)}
        possible = known | self._found.keys()
        for rule in self._rules.rules:
            if _possible(rule, possible) and _fires(rule, self._says, self._softens):
                hits = [hit for key in _keys(rule) if (hit := self._said.get(key)) is not None]
                if hits:
                    yield rule, Heard(rule.flag, rule.tier, self._quote(hits))

    def _quote(self, hits: Sequence[Hit]) -> str:
        marked = (at for hit in hits for start, end in hit.parts for at in range(start, end))
        return quote(self._text, self._words, marked)

    def _hit(self, key: str) -> Hit | None:
        if key not in self._said:
            self._said[key] = _counting(self._rules.concepts[key], self._found, self._judge)
        return self._said[key]

    def _says(self, key: str) -> bool:
        return self._hit(key) is not None or _is_known(self._rules.concepts[key].known, self._known)

    def _softens(self, key: str) -> bool:
        # What holds a rule back is read the same way with and without ConText, so the last resort never hears less.
        if key not in self._softened:
            hit = _counting(self._rules.concepts[key], self._found, self._plain)
            self._softened[key] = hit is not None or _is_known(self._rules.concepts[key].known, self._known)
        return self._softened[key]


def _keys(rule: Rule) -> Iterator[str]:
    for group in (*rule.all_of, rule.any_of, rule.of):
        yield from group


def _possible(rule: Rule, keys: AbstractSet[str]) -> bool:
    return (
        not any(keys.isdisjoint(group) for group in rule.all_of)
        and not (rule.any_of and keys.isdisjoint(rule.any_of))
        and sum(key in keys for key in rule.of) >= rule.at_least
    )


def _fires(rule: Rule, says: Callable[[str], bool], softens: Callable[[str], bool]) -> bool:
    return (
        all(any([says(key) for key in group]) for group in rule.all_of)
        and (not rule.any_of or any([says(key) for key in rule.any_of]))
        and sum(says(key) for key in rule.of) >= rule.at_least
        and not any(softens(key) for key in rule.none_of)
    )


def _counting(concept: Concept, found: Mapping[str, list[Hit]], judge: Judge) -> Hit | None:
    """Return the first hit that the patient means of themselves, now; None where there is none."""
    hits = found.get(concept.key, ())
    return next((hit for hit in hits if next(_against(concept, found, hit, judge), None) is None), None)


def _against(concept: Concept, found: Mapping[str, list[Hit]], hit: Hit, judge: Judge) -> Iterator[str]:
    """Yield why a hit does not count: other words cancel it, or it is denied, past, somebody else's, ..."""
    cancelled = found.get("!" + concept.key, ())
    if any(hit.start < other.end and other.start < hit.end for other in cancelled):
        yield "cancelled"
        return
    for span in _judged_parts(hit):
        yield from judge(span, hit) - concept.despite


def _judged_parts(hit: Hit) -> Sequence[Span]:
    # "No pain in my calf but it is swollen" denies the pain, not the calf: a place alone is neither denied nor past.
    return [span for span, place in zip(hit.parts, hit.places, strict=True) if not place]


def _is_known(tests: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    return any(_fits(test, known.get(field)) for field, test in tests.items())


def _fits(test: Any, value: Any) -> bool:
    if isinstance(test, list):
        values = value if isinstance(value, (list, tuple, set)) else [value]
        return any(_name(each) in test for each in values)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return bool(value >= test["at_least"]) if "at_least" in test else bool(value <= test["at_most"])


def _name(value: Any) -> Any:
    """Return what a known value is called: a red flag by its id while it is reported, anything else as it is."""
    if isinstance(value, Mapping):
        return value.get("id") if value.get("state", "reported") == "reported" else None
    return value if isinstance(value, str) else None
