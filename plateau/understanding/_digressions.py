"""Tells, without a model, what is plainly not an answer: a wish to skip, to stop, to ask why, to mend an answer."""

from __future__ import annotations

import re

from ._lexicon import phrase_groups

# What an utterance that is all of it means only where nothing was asked that it could answer.
SMALL_TALK = ("greet", "thanks", "bye", "affirm", "deny")

_LEAD = r"^(?:but |and |so |ok |hey |hi |sorry |wait |um |er |well )*"
_SUBJECT = (
    r"(?:i|you|u|we|it|this|that|they|he|she|there|my|the|your|someone|anyone|a|an|these|those|physio|pt|walking|"
    r"exercise|surgery|people)"
)
_QUESTION = re.compile(
    rf"{_LEAD}(?:(?:why|what|whats|how|hows|who|whos|where|which|whose)\b|when (?:will|can|should|do|does|is)\b|"
    r"(?:can|could|should|shall|may|will|would|is|are|am|do|does|did|has|have|was|were|isnt|arent|cant|"
    r"shouldnt|wouldnt|"
    rf"dont|wont|doesnt) {_SUBJECT}\b)"
)
# "it will hold, wont it": the question at the end of a statement.
_TAG = re.compile(
    r"(?<=\w)(?:, ?| )(?:will|wont|would|can|cant|could|is|isnt|are|arent|does|doesnt|do|dont|did|didnt|"
    r"should|shouldnt) "
    r"(?:you|u|it|they|he|she|i)[ .!]*$"
)
# Asks for knowledge, so that words of an answer in it are not one: "should i get an mri".
_ASKS = re.compile(
    rf"{_LEAD}(?:what (?:is|are|does|do|if|happens|would|should)\b|whats (?:a|an)\b|how (?:do|does|long|"
    r"much|many|is|are|can|"
    r"will|would|often)\b|(?:should|can|could|will|would|do|does|is|are) (?:i|you|we|u|it|an?|the|this|"
    r"that|there|they|these)\b|why\b)"
)
_CORRECTION = re.compile(
    r"^(?!no changes?\b)(?:(?:oh|sorry|no|oops|whoops|um|er|hang on|hold on|ok|and|please|can you|could you|can i|"
    r"could i|i need to|i want to|id like to|let me)[, ]+)*"
    r"(?:edit|correction|actually|scrap that|scratch that|i meant(?: to say| to put)?|i mean|meant|should "
    r"(?:be|have been|say)|typo|my mistake|make (?:that|it|the|my)|change|correct|amend|update|fix|i made "
    r"a mistake|"
    r"i (?:said|put|typed|wrote|entered) .{1,30}? but|wait(?: a (?:minute|sec|second))?|oops|whoops|sorry|"
    r"i got (?:that|it) wrong|i lied|wrong)\b[ ,:.-]*(?P<rest>.*)$"
)
_FIRM = re.compile(
    r"\b(?:edit|correction|i meant|typo|my mistake|make (?:that|the|my|it)|change|correct|amend|update my|"
    r"i made a mistake|scrap that|scratch that|i got (?:that|it) wrong|i put|i said|should (?:be|have "
    r"been|say))\b"
)


def whole_digression(plain: str) -> str | None:
    """Return the digression that all of `plain` is, or None."""
    return "go_back" if asks_again(plain) else phrase_groups("_digressions").whole(plain)


def asks_again(plain: str) -> bool:
    """Tell whether all of `plain` is a wish to be asked the same question once more."""
    return phrase_groups("_digressions").whole(plain) == "repeat"


def partial_digression(plain: str) -> str | None:
    """Return the digression that some words of `plain` say, or None."""
    return phrase_groups("_digressions").first(plain)


def is_question(plain: str) -> bool:
    """Tell whether `plain` asks something: it ends with a question mark or begins as questions do."""
    return plain.rstrip(" .!").endswith("?") or bool(_QUESTION.match(plain) or _TAG.search(plain))


def asks_to_know(plain: str) -> bool:
    """Tell whether `plain` asks for knowledge or advice, so that an answer's words in it answer nothing."""
    return bool(_ASKS.match(plain)) and "count" not in plain


def correction(plain: str) -> tuple[str, bool] | None:
    """Return the words after "actually", "edit:", "I meant" and whether the wording leaves no doubt, or None."""
    m = _CORRECTION.match(plain)
    if m is None:
        return None
    return m["rest"], bool(_FIRM.search(plain))
