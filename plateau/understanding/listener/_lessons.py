"""Turns the examples of red flags, and of ordinary messages, into what the ear learns from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from plateau.understanding._learned import Example, Learned, no_words
from plateau.understanding.listener._ear import DANGER, FLAG, TIER
from plateau.understanding.listener._listener import Listener
from plateau.understanding.listener._rules import FLAGS, TIERS, RuleDataError

FOLDER = Path(__file__).with_name("examples")


@dataclass(frozen=True, slots=True)
class Told:
    """An example message: the flags it tells of and their tier; neither where it is harmless."""

    text: str
    flags: tuple[str, ...] = ()
    tier: str | None = None


def load_told(folder: Path = FOLDER) -> list[Told]:
    """Return the examples of a folder; raises RuleDataError naming file and field."""
    return [told for path in sorted(folder.glob("*.yml")) for told in _told(path)]


def learn(told: Iterable[Told], ordinary: Iterable[str]) -> Learned:
    """Learn danger or not from all messages, and flag and tier from the dangerous ones."""
    listener = Listener()
    rows = [(each, *listener.seen(each.text)) for each in told]
    rows += [(Told(text), *listener.seen(text)) for text in ordinary]
    dangerous = [row for row in rows if row[0].tier is not None]
    return Learned.fit(
        {
            DANGER: [
                *(Example(plain, cues, frozenset({DANGER} if each.tier else ())) for each, plain, cues in rows),
                *no_words(len(rows), {}),
            ],
            FLAG: [Example(plain, cues, frozenset(each.flags)) for each, plain, cues in dangerous],
            TIER: [Example(plain, cues, frozenset({str(each.tier)})) for each, plain, cues in dangerous],
        }
    )


def _told(path: Path) -> Iterator[Told]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not set(content) <= {"danger", "harmless"}:
        raise RuleDataError(f"examples/{path.name}: must be a mapping with danger, harmless")
    for group in content.get("danger", ()):
        tier, also = group.get("tier"), group.get("also", [])
        if tier not in TIERS:
            raise RuleDataError(f"examples/{path.name}: tier {tier!r} is not one of {', '.join(TIERS)}")
        for flag in (path.stem, *also):
            if flag not in FLAGS:
                raise RuleDataError(f"examples/{path.name}: {flag!r} is not one of {', '.join(FLAGS)}")
        yield from (Told(text, (path.stem, *also), tier) for text in _texts(group.get("say"), path))
    yield from (Told(text) for text in _texts(content.get("harmless", []), path))


def _texts(said: Any, path: Path) -> list[str]:
    if not isinstance(said, list) or not all(isinstance(text, str) for text in said):
        raise RuleDataError(f"examples/{path.name}: say and harmless must be lists of texts; put them in quotes")
    return said
