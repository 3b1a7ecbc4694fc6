"""The ear, with the weights that `make setup` made: what it adds to the rules, what it takes back, what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from plateau.understanding.listener import WEIGHTS, Ear, Listener


@pytest.fixture(scope="module")
def by_ear() -> Listener:
    ear = Ear.load()
    assert ear is not None, f"{WEIGHTS}: no weights; run `make setup`"
    return Listener(ear)


# No rule names these words.
ADDED = [
    ("dad says my face slid down on the left at breakfast and i talked rubbish", "stroke", "emergency"),
    ("on the toilet i cant tell any more whether ive been or not, since the weekend", "cauda_equina", "emergency"),
    ("giving the cat to my neighbour and ive tidied my papers, no more of this for me", "mental_health_crisis", None),
    ("heel pops up when i walk then slaps down, since tuesday my toes wont lift", "progressive_neuro", None),
]
# A rule fires on a word; the rest says it is harmless.
TAKEN_BACK = [
    "nearly had a stroke when i saw the bill",
    "wound clean and dry, nothing oozing",
    "some actor overdosed in that film",
]


@pytest.mark.parametrize(("text", "flag", "tier"), ADDED)
def test_hears_what_no_rule_names(by_ear: Listener, text: str, flag: str, tier: str | None) -> None:
    heard = {each.id: each for each in by_ear.listen(text)}
    assert flag in heard
    assert tier is None or heard[flag].tier == tier


@pytest.mark.parametrize("text", TAKEN_BACK)
def test_takes_back_a_rules_alarm_in_harmless_words(listener: Listener, by_ear: Listener, text: str) -> None:
    assert listener.listen(text), "no rule fires: the case shows nothing"
    assert by_ear.listen(text) == ()


@pytest.mark.parametrize("text", TAKEN_BACK)
def test_takes_nothing_back_when_a_safety_list_was_asked(listener: Listener, by_ear: Listener, text: str) -> None:
    flags = {each.id for each in by_ear.listen(text, asked=True)}
    assert {each.id for each in listener.listen(text)} <= flags


@pytest.mark.parametrize("text", ["?", "...", "he's 67", "she is 81", "my gp", "no", "wxq zvk qqj xjq", "👍"])
def test_few_or_no_words_alarm_nobody(by_ear: Listener, text: str) -> None:
    assert by_ear.listen(text) == ()


def test_says_in_whose_words_it_was_heard(by_ear: Listener) -> None:
    text = "heel pops up when i walk then slaps down, since tuesday my toes wont lift"
    for each in by_ear.listen(text):
        assert each.because and all(part in text for part in each.because.split(" … "))


def test_hears_a_few_words_in_a_long_story(by_ear: Listener) -> None:
    story = "my knee is fine on the flat and i like my physio and we do squats and bridges and the bike each week " * 3
    assert {"cauda_equina"} & {each.id for each in by_ear.listen(f"{story} and i cant feel it when i wipe {story}")}


def test_without_weights_the_rules_listen_alone(tmp_path: Path) -> None:
    assert Ear.load(tmp_path / "none") is None


def test_broken_weights_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "rarity.npz").write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"pickle|zip|file"):
        Ear.load(tmp_path)
