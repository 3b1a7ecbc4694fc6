"""The questions as data: a wrong field is refused with the file, the question, the field and what is allowed."""

from __future__ import annotations

from typing import Any

import pytest

from plateau.protocol import QUESTIONS, ProtocolError
from plateau.protocol._questions import CONDITIONS, _question

WHERE = {"id": "sore", "section": "problem", "screen": "sore", "kind": "choice", "values": ["knee", "hip"]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"picture": "horse"}, "picture: 'horse' is not allowed; allowed for a choice question: body"),
        ({"picture": True}, "picture: True is not allowed; allowed for a choice question: body"),
        ({"picture": "body", "kind": "text"}, "picture: 'body' is not allowed; allowed for a choice question: body"),
        ({"carry": ["elbow"]}, "carry: ['elbow'] are not values of it"),
        ({"carry": "often"}, "carry: 'often' is not allowed; allowed: true, grow, shown or a list of values"),
        ({"values": ["knee", 1]}, "values: [1] must be in quotes"),
        ({"values": []}, "a choice question needs values"),
    ],
    ids=str,
)
def test_a_wrong_field_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ProtocolError) as raised:
        _question({**WHERE, **change}, CONDITIONS, {})
    assert str(raised.value).startswith(f"protocol/questions.yml: sore: {said}")


def test_a_picture_is_kept() -> None:
    assert _question({**WHERE, "picture": "body"}, CONDITIONS, {}).picture == "body"
    assert QUESTIONS["age_band"].picture is None
