"""Hostile files at the command line: each is refused in words or taken; none ends in a stack trace."""

from __future__ import annotations

from pathlib import Path

from hostile_files import feed


def test_hostile_files_are_refused_in_words_or_taken(tmp_path: Path) -> None:
    assert feed(tmp_path, seed=7, count=60) == []
