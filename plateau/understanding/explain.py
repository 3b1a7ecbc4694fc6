"""Explains a reading, from what the reader and the listener report of it: how it came to what it read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plateau.protocol import QUESTIONS

from . import _choices, _decision, _sets
from ._by_rules import SETS
from ._decision import INTENT, Branch, Seen
from ._lexicon import lexicons
from ._turn import Turn
from .listener import ALARM, DOUBT, Hearing

LIKELIEST = 5
WORDS = 6

Explanation = dict[str, Any]


def explain(turn: Turn) -> Explanation:
    """Return how the reading of a turn came about, as an object for JSON; decides nothing by itself."""
    trace = turn.source.trace
    if trace is None:
        raise ValueError("only a reading by a Reader can be explained")
    seen = trace.seen
    answers, doubts = seen.asked
    return {
        "question": seen.message.question,
        "text": {"plain": seen.plain, "mended": dict(seen.message.text.mended)},
        "lexicon": list(_matches(seen)),
        "rules": {"answers": dict(answers), "doubts": [list(doubt) for doubt in doubts], **_digressions(seen)},
        "intents": _judged(seen, INTENT, seen.intent, seen.intent_cues),
        "values": _judged(seen, seen.message.question or "", seen.values, seen.answer_cues),
        "decision": {
            "branch": trace.branch.name.lower(),
            "why": trace.branch.value,
            **_weights(seen, trace.branch),
            "answers": dict(turn.source.answers),
            "intent": turn.source.intent,
        },
        "dialogue": {
            "intent": turn.intent,
            "slots": dict(turn.entities),
            "beside": [name for name in turn.entities if name in QUESTIONS and name not in turn.source.answers],
        },
        "red_flags": _red_flags(trace.hearing),
    }


def _matches(seen: Seen) -> Iterator[Explanation]:
    """Yield the phrases met of the question asked, whether they count, and how ConText takes them."""
    plain, question, judge = seen.plain, seen.message.question or "", seen.message.judge
    lexicon = lexicons().get(_choices.lexicon_of(question))
    if lexicon is None:
        return
    found = lexicon.asked.find(plain)
    if question in SETS:
        weighed = list(_sets.weighed(plain, lexicon, found, judge))
    else:
        weighed = [(m, not _choices.denied(plain, m)) for m in found]
    for m, counts in weighed:
        meant = judge(m.start, m.end)
        yield {
            "words": plain[m.start : m.end],
            "value": m.value,
            "at": [m.start, m.end],
            "counts": counts,
            "context": sorted(meant.kinds),
            "cues": list(meant.words),
        }


def _digressions(seen: Seen) -> Explanation:
    return {"whole": seen.whole, "partial": seen.partial, "asks": seen.asks}


def _judged(seen: Seen, head: str, likely: Mapping[str, float], cues: Mapping[str, float]) -> Explanation | None:
    """Return the likeliest labels and what spoke for the first; None where no examples were asked."""
    if not likely or seen.learned is None:
        return None
    best = sorted(likely, key=lambda label: -likely[label])[:LIKELIEST]
    spoke = seen.learned.because(head, seen.plain, cues, best[0], WORDS)
    return {"likeliest": {label: round(likely[label], 3) for label in best}, "because": dict(spoke)}


def _weights(seen: Seen, branch: Branch) -> Explanation:
    """Return what the decision weighs, beside the bounds that it weighs by."""
    if not seen.intent:
        return {}
    guess, sure = _decision.likeliest(seen)
    weights: Explanation = {"digression": guess, "likelier_than_answer": round(sure, 3)}
    if branch in (Branch.OWN_WORDS, Branch.NOT_OWN_WORDS):
        weights["stands_against_own_words_above"] = _decision.SURE
    elif seen.values:
        weights |= {
            "sure_of_value": round(max(seen.values.values()), 3),
            "stands_against_a_digression_from": _decision.SURE_OF_VALUE,
            "taken_from": _decision.LIKELIEST,
        }
    else:
        weights["stands_against_an_answer_above"] = _decision.SURE_OF_DIGRESSION
    return weights


def _red_flags(hearing: Hearing) -> list[Explanation]:
    """Return, for each stretch of the message, what the rules found in it and what the ear made of that."""
    return [
        {
            "concepts": [
                {"concept": key, "words": words, "meant": not against, "against": sorted(against)}
                for key, words, against in stretch.found.said()
            ],
            "rules": [
                {"flag": rule.flag, "rule": rule.id, "tier": rule.tier, "reason": rule.reason, "words": heard.because}
                for rule, heard in stretch.found.fired
            ],
            "ear": stretch.weighed
            and hearing.ear
            and {
                "danger": round(stretch.weighed.danger, 3),
                "adds_from": ALARM,
                "takes_back_below": DOUBT,
                "because": dict(hearing.ear.because(stretch.weighed.words, stretch.found.cues)),
                "added": [heard.to_dict() for heard in stretch.weighed.added],
                "took_back": [heard.to_dict() for heard in stretch.weighed.taken_back],
            },
        }
        for stretch in hearing.stretches
    ]


def readable(explanation: Explanation) -> str:
    """Return an explanation as lines to read."""
    return "\n".join(
        line for title, lines in _sections(explanation) for line in (title, *(f"  {each}" for each in lines))
    )


def _sections(told: Explanation) -> Iterator[tuple[str, Sequence[str]]]:
    mended = [f"mended: {word} -> {meant}" for word, meant in told["text"]["mended"].items()]
    yield "text as matched", [repr(told["text"]["plain"]), *mended]
    yield f"phrases of {told['question'] or 'no question'}", [_match(m) for m in told["lexicon"]] or ["none"]
    yield "the rules alone", _rules(told["rules"])
    yield "likeliest intents", _likeliest(told["intents"])
    yield "likeliest values", _likeliest(told["values"])
    yield "decision", _decision_lines(told["decision"])
    yield "the dialogue is told", _dialogue(told["dialogue"])
    for number, stretch in enumerate(told["red_flags"], start=1):
        yield "red flags" + (f", stretch {number}" if len(told["red_flags"]) > 1 else ""), _stretch(stretch)


def _match(m: Explanation) -> str:
    context = f"; context: {', '.join(m['context'])} by {_quoted(m['cues'])}" if m["context"] else "; context: affirmed"
    first, last = m["at"]
    return f"{m['words']!r} at {first}-{last}: {m['value']}, {'counts' if m['counts'] else 'does not count'}{context}"


_PARTS = (("whole", "all of it"), ("partial", "some of it"))


def _rules(rules: Explanation) -> list[str]:
    doubts = [f"in doubt: {question} {value}" for question, value in rules["doubts"]]
    named = [f"{part} is the digression {rules[key]}" for key, part in _PARTS if rules[key]]
    return [f"read {rules['answers'] or 'nothing'}", *doubts, *named, *(["it asks something"] if rules["asks"] else [])]


def _likeliest(judged: Explanation | None) -> list[str]:
    if judged is None:
        return ["not learned for this question"]
    return [
        ", ".join(f"{label} {share:.2f}" for label, share in judged["likeliest"].items()),
        _spoke(judged["because"]),
    ]


def _decision_lines(decision: Explanation) -> list[str]:
    lines = [f"{decision['branch']}: {decision['why']}"]
    if "digression" in decision:
        guess, sure = decision["digression"], decision["likelier_than_answer"]
        lines.append(
            f"{guess} is likelier than an answer by {sure:.2f}"
            if guess
            else "an answer is likelier than any digression"
        )
    for over in ("own_words", "an_answer"):
        if (bound := decision.get(f"stands_against_{over}_above")) is not None:
            lines[-1] += f"; a digression stands against {over.replace('_', ' ')} above {bound}"
    if "sure_of_value" in decision:
        lines.append(
            f"likeliest value {decision['sure_of_value']:.2f}; taken from {decision['taken_from']}, "
            f"stands against a digression from {decision['stands_against_a_digression_from']}"
        )
    return [*lines, f"answers {decision['answers'] or 'none'}, intent {decision['intent'] or 'answer'}"]


def _dialogue(dialogue: Explanation) -> list[str]:
    beside = [
        f"{name} was read beside the decision: of the safety list or the same screen" for name in dialogue["beside"]
    ]
    return [f"intent {dialogue['intent']}", f"slots {dialogue['slots'] or 'none'}", *beside]


def _stretch(stretch: Explanation) -> list[str]:
    concepts = [
        f"said {each['concept']} in {each['words']!r}: "
        + ("meant of the patient now" if each["meant"] else f"not meant: {', '.join(each['against'])}")
        for each in stretch["concepts"]
    ]
    rules = [
        f"rule {each['flag']}/{each['rule']} fired, {each['tier']}, by {each['words']!r}: {each['reason']}"
        for each in stretch["rules"]
    ]
    return [*(concepts or ["no concept said"]), *(rules or ["no rule fired"]), *_ear(stretch["ear"])]


def _ear(ear: Explanation | None) -> list[str]:
    if ear is None:
        return ["there is no ear: the rules listen alone (`make setup` trains it)"]
    lines = [
        f"ear: danger {ear['danger']:.2f}; adds from {_bounds(ear['adds_from'])}; "
        f"takes back below {_bounds(ear['takes_back_below'])}",
        _spoke(ear["because"]),
    ]
    for did in ("added", "took_back"):
        flags = [f"{flag['id']} ({flag['tier']}, {flag['because']!r})" for flag in ear[did]]
        lines.append(f"ear {did.replace('_', ' ')}: {', '.join(flags) or 'nothing'}")
    return lines


def _bounds(bounds: Mapping[str, float]) -> str:
    return ", ".join(f"{bound} ({tier})" for tier, bound in bounds.items())


def _spoke(because: Mapping[str, float]) -> str:
    return "spoke for it: " + (
        ", ".join(f"{name} {weight:+.2f}" for name, weight in because.items()) or "no word known"
    )


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(repr(word) for word in words)
