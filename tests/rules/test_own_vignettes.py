"""Vignettes written by people who had not seen the rules, in the format of ../shared/eval.

own_vignettes.jsonl, first sight: expected 127 of 136, safe 136. Rules were mended after reading the misses.
blind_vignettes.jsonl, first sight on the mended rules: expected 65 of 70, safe 70. One rule was mended since.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plateau.escalation import assess
from plateau.protocol import validate_record

VIGNETTES: list[dict[str, Any]] = [
    json.loads(line)
    for name in ("own_vignettes.jsonl", "blind_vignettes.jsonl")
    for line in Path(__file__).with_name(name).read_text().splitlines()
]
ROWS = {f"S{number}" for number in range(1, 16)} | {"neighbour"}
# Targets of design section 6, on unseen vignettes.
EXPECTED = 0.9


def primary(vignette: dict[str, Any]) -> str:
    return assess(validate_record(vignette["record"])).primary


def test_every_row_has_its_vignettes() -> None:
    assert len(VIGNETTES) >= 60
    assert {vignette["row"] for vignette in VIGNETTES} == ROWS
    assert len({vignette["id"] for vignette in VIGNETTES}) == len(VIGNETTES)


@pytest.mark.parametrize("vignette", VIGNETTES, ids=lambda vignette: vignette["id"])
def test_no_first_advice_is_unsafe(vignette: dict[str, Any]) -> None:
    assert primary(vignette) not in vignette["expect"]["must_not"]


def test_nearly_all_get_the_first_advice_that_was_expected() -> None:
    expected = [vignette for vignette in VIGNETTES if primary(vignette) in vignette["expect"]["primary"]]
    assert len(expected) / len(VIGNETTES) >= EXPECTED
