"""Properties that hold for any message."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from listener_table import BLIND, TIERS, rank, texts

from plateau.understanding.listener import Listener, listen_plainly
from plateau.understanding.listener._words import split

ANY_TEXT = st.one_of(
    st.text(max_size=300), st.text(alphabet=" .,!?\n'’-/#()&%0123456789abcdeèİß🙂\x00\ud800", max_size=200)
)
PHRASES = texts("alarms.yml", "look_alikes.yml", *BLIND)
MIXED = st.lists(st.sampled_from(PHRASES), min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([", ", " ", ". ", " and ", " but ", " no ", " not "]).map(
        lambda glue: glue.join(parts)
    )
)
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
# Each is one thing said in one phrase: a denial right before it denies all of it.
SINGLE = [
    "chest pain", "numbness between my legs", "double vision", "slurred speech", "facial drooping", "swollen calf",
    "coughing up blood", "shortness of breath", "suicidal thoughts", "black stools", "pus from the wound",
    "saddle numbness", "tearing pain in my chest", "overdose", "bowel incontinence", "foot drop",
]  # fmt: skip
DENIALS = [
    "no",
    "no sign of",
    "never had",
    "i dont have",
    "i don't have any",
    "havent had any",
    "without",
    "not got any",
]


@settings(RELAXED, max_examples=300)
@given(ANY_TEXT)
def test_any_text_is_heard_without_an_error(listener: Listener, text: str) -> None:
    for heard in (*listener.listen(text), *listen_plainly(text)):
        assert heard.tier in TIERS
        assert heard.because


@settings(RELAXED, max_examples=100)
@given(st.sampled_from(DENIALS), st.sampled_from(SINGLE))
def test_a_denial_before_one_thing_denies_it(listener: Listener, denial: str, thing: str) -> None:
    assert listener.listen(thing), thing
    assert listener.listen(f"{denial} {thing}") == ()


@settings(RELAXED, max_examples=300)
@given(MIXED)
def test_last_resort_never_hears_less(listener: Listener, text: str) -> None:
    fallback = {heard.id: TIERS.index(heard.tier) for heard in listen_plainly(text)}
    for heard in listener.listen(text):
        if heard.tier == "emergency":
            assert fallback.get(heard.id, 0) >= TIERS.index("emergency"), heard


@settings(RELAXED, max_examples=100)
@given(st.sampled_from(PHRASES))
def test_capitals_and_spaces_change_nothing(listener: Listener, text: str) -> None:
    assert rank(listener.listen(f"  {text.upper()}\n")) == rank(listener.listen(text))


@settings(RELAXED, max_examples=200)
@given(ANY_TEXT)
def test_words_stand_where_they_say(text: str) -> None:
    at = 0
    for word in split(text):
        assert at <= word.start < word.end <= len(text)
        at = word.end
