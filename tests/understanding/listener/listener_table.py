"""Reads the tables of messages beside this file."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

TIERS = ("none", "routine", "within_days", "same_day", "emergency")
BLIND = ("blind.yml", "blind2.yml", "blind3.yml", "blind4.yml", "blind5.yml", "blind6.yml")


@cache
def rows(name: str) -> tuple[dict[str, Any], ...]:
    return tuple(yaml.safe_load(Path(__file__).with_name(name).read_text(encoding="utf-8")))


def texts(*names: str) -> list[str]:
    return [row["text"] for name in names for row in rows(name)]


def rank(heard: Any) -> int:
    return max((TIERS.index(flag.tier) for flag in heard), default=0)
