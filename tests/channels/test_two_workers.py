"""Two workers on one database, PostgreSQL too: a platform's message is one turn and one answer whoever gets it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import inbound
import pytest
from phones import PATIENCE, House, house

from plateau.cli._gateway import gateway
from plateau.store import Outbox

PEOPLE = [f"+1500559{number:04}" for number in range(4)]


def waiting(home: House) -> int:
    with home.gateway.database.reading() as session:
        return len(Outbox(session).listing(9, ["waiting"]))


async def quiet(*homes: House) -> None:
    """Wait until nobody has anything under way or to send."""
    async with asyncio.timeout(PATIENCE):
        while any(one.gateway.doors.running for one in homes) or waiting(homes[0]):  # noqa: ASYNC110 - see phones.py
            await asyncio.sleep(0.02)


async def post(home: House, number: str, text: str, sid: str) -> int:
    request = inbound.twilio("sms", body=text, From=number, MessageSid=sid)
    response = await home.client.post(request.path, content=request.body, headers=dict(request.headers))
    return response.status_code


@pytest.mark.asyncio
async def test_each_message_is_one_turn_and_is_answered_once_in_order(url: str, tmp_path: Path) -> None:
    async with (
        house(tmp_path, database=url) as one,
        gateway(str(tmp_path / "var"), **one.settings) as (client, app),
    ):
        two = House(client, app, one.platforms, one.staff)
        for step, text in enumerate(("hi", "1", "1", "1")):
            sends = [
                post(home, number, text, f"SM{number[-4:]}{step:028x}") for number in PEOPLE for home in (one, two, one)
            ]
            assert set(await asyncio.gather(*sends)) == {204}
            await quiet(one, two)
        server = one.platforms["sms"]
        for number in PEOPLE:
            conversation = one.conversation("sms", number) or ""
            assert one.last(conversation)["screen"]["asked"] == "safety_now"
            assert one.last(conversation)["number"] == 4
            texts = [sent.text for sent in server.taken if sent.to == number]
            asked = [text for text in texts if "Reply" in text]
            places = ("for yourself", "Which country", "May I ask", "First, a safety check")
            assert [place in text for place, text in zip(places, asked[-4:], strict=True)] == [True] * 4
            assert len(texts) == len(set(texts)), "nothing was sent twice"
        assert one.violations() == []
