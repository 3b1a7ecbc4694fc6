"""What was learned from examples: hears what no rule names, and doubts what a rule heard in harmless words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from plateau.understanding.listener._heard import Heard, quote
from plateau.understanding.listener._rules import TIERS, load_rules
from plateau.understanding.listener._words import Word, plain

if TYPE_CHECKING:
    from plateau.understanding._learned import Learned

WEIGHTS = Path(__file__).with_name("weights")
DANGER, FLAG, TIER = "danger", "flag", "tier"

# From how likely a danger is it said, though no rule fired; below how likely a rule's alarm is taken back. An emergency
# that a rule heard is taken back only where the words are all but certainly harmless.
ALARM = {"within_days": 0.85, "same_day": 0.75, "emergency": 0.6}
DOUBT = {"within_days": 0.2, "same_day": 0.2, "emergency": 0.12}
EMERGENCY = 0.5
# A second red flag in the same message must be this likely beside the first.
ALSO = 0.6
# Of fewer words the ear alone raises no alarm: the short ways to say a danger are the rules' own.
FEWEST = 4
# In a long message a few dangerous words would drown: it is listened to in stretches of so many words, half
# overlapping.
STRETCH = 30
MOST_WORDS = 6


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the ear made of a message: how likely a danger is, in which `words`, what it left, took back and added."""

    danger: float
    words: Sequence[Word]
    kept: tuple[Heard, ...]
    taken_back: tuple[Heard, ...]
    added: tuple[Heard, ...]


class Ear:
    """Weighs a message by its words and by what the rules found in it. Deterministic; says which words decided."""

    def __init__(self, learned: Learned) -> None:
        self._learned = learned
        self._tiers = {
            rule.flag: {other.tier for other in load_rules().rules if other.flag == rule.flag}
            for rule in load_rules().rules
        }

    @classmethod
    def load(cls, folder: Path = WEIGHTS) -> Ear | None:
        """Read the weights that `make setup` made; None where there are none, ValueError where they are broken."""
        return _loaded(folder)

    def weigh(
        self, text: str, words: Sequence[Word], heard: Sequence[Heard], cues: Mapping[str, float], asked: bool
    ) -> Weighed:
        """Weigh a message, given what the rules heard and found; none is doubted when `asked` or in a long one."""
        stretch, danger = max(
            ((part, self._danger(part, cues)) for part in _stretches(words)),
            key=lambda pair: pair[1],
            default=((), 0.0),
        )
        # In a long story the harmless words would outweigh the one sentence that counts.
        firm = asked or len(words) > STRETCH
        kept = tuple(flag for flag in heard if firm or danger >= DOUBT[flag.tier])
        taken_back = tuple(flag for flag in heard if flag not in kept)
        return Weighed(danger, stretch, kept, taken_back, tuple(self._added(text, stretch, danger, heard, cues)))

    def because(self, words: Sequence[Word], cues: Mapping[str, float]) -> list[tuple[str, float]]:
        """Return the words and [cues] that spoke most for a danger, with what each added to its log odds."""
        return self._learned.because(DANGER, plain(words), cues, DANGER)

    def _added(
        self, text: str, words: Sequence[Word], danger: float, heard: Sequence[Heard], cues: Mapping[str, float]
    ) -> Iterator[Heard]:
        if danger < min(ALARM.values()) or (not heard and sum(word.plain.isalpha() for word in words) < FEWEST):
            return
        named = {flag.id: TIERS.index(flag.tier) for flag in heard}
        for flag, tier in self._flags(words, cues):
            new = not heard or flag in named or tier == "emergency"
            if new and danger >= ALARM[tier] and TIERS.index(tier) > named.get(flag, -1):
                yield Heard(flag, tier, self._because(text, words, flag, cues))

    def _danger(self, words: Sequence[Word], cues: Mapping[str, float]) -> float:
        if not any(word.plain.isalpha() for word in words):
            return 0.0
        return self._learned.judge(DANGER, self._learned.features(plain(words)), cues)[DANGER]

    def _flags(self, words: Sequence[Word], cues: Mapping[str, float]) -> Iterator[tuple[str, str]]:
        features = self._learned.features(plain(words))
        flags = self._learned.judge(FLAG, features, cues)
        tiers = self._learned.judge(TIER, features, cues)
        ranked = sorted(flags, key=lambda flag: -flags[flag])
        for flag in (ranked[0], *(flag for flag in ranked[1:] if flags[flag] >= ALSO)):
            allowed = sorted(self._tiers[flag], key=lambda tier: -tiers.get(tier, 0.0))
            urgent = "emergency" in allowed and tiers["emergency"] >= EMERGENCY
            yield flag, "emergency" if urgent else allowed[0]

    def _because(self, text: str, words: Sequence[Word], flag: str, cues: Mapping[str, float]) -> str:
        weights: dict[int, float] = {}
        for head, label in ((DANGER, DANGER), (FLAG, flag)):
            for gram, weight in self._learned.because(head, plain(words), {}, label, most=MOST_WORDS):
                said = gram.split()
                for at in range(len(words) - len(said) + 1):
                    if [word.plain for word in words[at : at + len(said)]] == said:
                        for place in range(at, at + len(said)):
                            weights[place] = weights.get(place, 0.0) + weight
        strongest = sorted(weights, key=lambda place: -weights[place])[:MOST_WORDS]
        return quote(text, words, strongest or range(len(words)))


@cache
def _loaded(folder: Path) -> Ear | None:
    """One ear for the gateway's net and the dialogue's reader: they hear the same messages."""
    if not folder.is_dir():
        return None
    # Here, not at the top: the last resort must live without it.
    from plateau.understanding._learned import Learned

    return Ear(Learned.load(folder))


def _stretches(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    for start in range(0, max(1, len(words) - STRETCH // 2), STRETCH // 2):
        yield words[start : start + STRETCH]
