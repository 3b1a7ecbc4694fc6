"""A safety list."""

from __future__ import annotations

from typing import Any

import pytest
from reader_table import matches

from plateau.understanding import Reader


@pytest.mark.parametrize(
    ("question", "text", "answers"),
    [
        ("red_flags", "no", {"red_flags": []}),
        ("red_flags", "none of these", {"red_flags": []}),
        ("red_flags", "nope nothing like that", {"red_flags": []}),
        ("red_flags", "just the usual ache", {"red_flags": []}),
        ("red_flags", "not sure", {}),
        ("red_flags", "yes", {}),
    ],
)
def test_reads_exactly(reader: Reader, question: str | None, text: str, answers: dict[str, Any]) -> None:
    assert matches(reader.read(text, question).answers, answers)
