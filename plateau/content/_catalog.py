"""Loads the YAML texts of one language and looks them up by dotted id."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent


class ContentError(LookupError):
    """A text that is asked for does not exist, or its placeholders do not fit."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The texts of one language: file name, then keys, joined by dots, name a text."""

    language: str
    texts: Mapping[str, Any]

    def tree(self, path: str) -> dict[str, Any]:
        """Return the mapping at `path`; raises ContentError where there is none."""
        found = self._find(path)
        if not isinstance(found, dict):
            raise ContentError(f"content/{self.language}: {path} is a text, not a group of texts")
        return found

    def get(self, path: str, **values: object) -> str:
        """Return the text at `path` with its {placeholders} filled in; raises ContentError."""
        found = self._find(path)
        if not isinstance(found, str):
            raise ContentError(f"content/{self.language}: {path} is {type(found).__name__}, not a text")
        try:
            return found.format(**values).strip()
        except (KeyError, IndexError, ValueError) as error:
            raise ContentError(f"content/{self.language}: {path} cannot be filled in: {error!r}") from None

    def has(self, path: str) -> bool:
        """Tell whether a text or a group exists at `path`."""
        try:
            self._find(path)
        except ContentError:
            return False
        return True

    def _find(self, path: str) -> Any:
        node: Any = self.texts
        for step in path.split("."):
            if not isinstance(node, dict) or step not in node:
                raise ContentError(f"content/{self.language}: no text {path!r} (nothing at {step!r})")
            node = node[step]
        return node


@cache
def catalog(language: str = "en") -> Catalog:
    """Return the texts of `language`; raises ContentError when there are none or a file is broken."""
    folder = HERE / language
    if not folder.is_dir():
        known = ", ".join(sorted(p.name for p in HERE.iterdir() if p.is_dir() and not p.name.startswith("_")))
        raise ContentError(f"no texts for language {language!r}; there are: {known}")
    texts: dict[str, Any] = {}
    for file in sorted(folder.glob("*.yml")):
        try:
            texts[file.stem] = yaml.safe_load(file.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ContentError(f"content/{language}/{file.name} is not valid YAML: {error}") from None
    return Catalog(language, texts)


def dated(texts: Catalog, day: datetime.date) -> str:
    """Return a day as it is written out: "28 November 2026"."""
    month = texts.get(f"plan.months.{day.month}")
    return texts.get("plan.date", day=day.day, month=month, year=day.year)
