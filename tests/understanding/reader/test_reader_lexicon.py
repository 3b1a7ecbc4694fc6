"""The notation of the lexicons, and what a broken one says."""

from __future__ import annotations

import pytest

from plateau.understanding._lexicon import LexiconError, compile_phrases
from plateau.understanding._spelling import Mender

LISTS = {"bad": ("awful", "poor")}


@pytest.mark.parametrize(
    ("phrase", "text", "met"),
    [
        ("sore | stiff", "it is stiff", True),
        ("sore", "soreness", False),
        ("sore*", "soreness", True),
        ("knees?", "my knee", True),
        ("(very )?sore", "very sore", True),
        ("(very|really)* sore", "very really very sore", True),
        ("knee ?cap", "kneecap", True),
        ("ach(e|ing)", "aching", True),
        ("N days", "4 days", True),
        ("change the _ question", "change the sleep question", True),
        ("wake ... night", "wake up twice a night", True),
        ("wake ... night", "wake up. fine last night", False),
        ("<bad> sleep", "poor sleep", True),
    ],
)
def test_a_phrase_meets_its_text(phrase: str, text: str, met: bool) -> None:
    assert bool(compile_phrases([phrase], LISTS, "here").search(text)) is met


@pytest.mark.parametrize(
    ("phrase", "names"),
    [
        ("<worse> sleep", "word list <worse>"),
        ("(sore", "brackets"),
        ("sore)", "brackets"),
        ("a {b}", "a phrase has words"),
        ("... sore", "before them"),
        ("(very)?", "cannot be missing"),
    ],
)
def test_a_broken_phrase_is_named(phrase: str, names: str) -> None:
    with pytest.raises(LexiconError, match="sleep") as error:
        compile_phrases([phrase], LISTS, "sleep.yml: poor")
    assert names in str(error.value)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("shoudler", "shoulder"),
        ("terribl", "terrible"),
        ("terrivle", "terrible"),
        ("night", "night"),
        ("party", "party"),
        ("xqzwv", "xqzwv"),
    ],
)
def test_only_a_slip_is_mended(typed: str, read: str) -> None:
    assert Mender({"shoulder", "terrible", "partly", "right"}, {"party", "night"}).mend(typed) == read
