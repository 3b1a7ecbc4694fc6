"""Every message of the tables: what must be heard is heard at its tier, what must not be heard is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from listener_table import BLIND, TIERS, rank, rows, texts

from plateau.understanding.listener import Listener, listen_plainly


def cases(name: str) -> Iterator[Any]:
    for row in rows(name):
        yield pytest.param(row, id=row["text"][:70])


@pytest.mark.parametrize("row", cases("alarms.yml"))
def test_alarm_is_heard(listener: Listener, row: dict[str, str]) -> None:
    heard = listener.listen(row["text"])
    wanted = TIERS.index(row["tier"])
    assert wanted <= rank(heard) <= wanted + 1, heard


@pytest.mark.parametrize("row", cases("look_alikes.yml"))
def test_look_alike_is_not_heard(listener: Listener, row: dict[str, str]) -> None:
    assert listener.listen(row["text"]) == ()


@pytest.mark.parametrize("name", BLIND)
def test_blind_table(listener: Listener, name: str) -> None:
    alarms = [row for row in rows(name) if row["tier"] != "none"]
    ordinary = [row for row in rows(name) if row["tier"] == "none"]
    emergencies = [row for row in alarms if row["tier"] == "emergency"]
    assert [row["text"] for row in emergencies if rank(listener.listen(row["text"])) < 4] == []
    missed = [row["text"] for row in alarms if rank(listener.listen(row["text"])) < TIERS.index(row["tier"])]
    assert len(missed) <= 0.02 * len(alarms), missed
    alarmed = [row["text"] for row in ordinary if listener.listen(row["text"])]
    assert len(alarmed) <= 0.03 * len(ordinary), alarmed


@pytest.mark.parametrize("name", ["alarms.yml", *BLIND])
def test_flag_is_named_rightly(listener: Listener, name: str) -> None:
    alarms = [row for row in rows(name) if row["tier"] != "none"]
    wrong = [row["text"] for row in alarms if row["flag"] not in {flag.id for flag in listener.listen(row["text"])}]
    assert len(wrong) <= 0.03 * len(alarms), wrong


def test_last_resort_hears_every_emergency_the_listener_hears(listener: Listener) -> None:
    every = texts("alarms.yml", "look_alikes.yml", *BLIND)
    assert [text for text in every if rank(listener.listen(text)) == 4 > rank(listen_plainly(text))] == []


def test_last_resort_alarms_little_on_look_alikes() -> None:
    alarmed = [text for text in texts("look_alikes.yml") if listen_plainly(text)]
    assert len(alarmed) <= 0.05 * len(texts("look_alikes.yml")), alarmed
