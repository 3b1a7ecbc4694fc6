"""A thousand requests that are not a platform's, and every genuine one again and again: what became of them, counted.

The table stands in docs/channels.md; `make transcripts` writes it anew.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import inbound
import pytest
from phones import House

from plateau.server.platforms import Received

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = Path(__file__).parents[2] / "docs" / "channels.md"
EACH, AGAIN, MESSAGES = 200, 5, 4
PROOF = {
    "sms": "x-twilio-signature",
    "whatsapp": "x-twilio-signature",
    "telegram": "x-telegram-bot-api-secret-token",
    "messenger": "x-hub-signature-256",
    "webhook": "plateau-signature",
}
# A secret that is sent as it is says nothing of the body.
SIGNED = [channel for channel in PROOF if channel != "telegram"]


def genuine(channel: str, person: int, number: int) -> Received:
    """One message of a person, as the platform sends it."""
    text = ("hi", "1", "1", "what is this")[number]
    if channel in ("sms", "whatsapp"):
        before = "whatsapp:" if channel == "whatsapp" else ""
        sid = f"SM{person:016x}{number:016x}"
        return inbound.twilio(channel, body=text, From=f"{before}+1500558{person:04}", MessageSid=sid)
    if channel == "telegram":
        chat = {"id": 900_000 + person, "first_name": "Ana", "type": "private"}
        message = inbound.telegram_message(text="/start" if text == "hi" else text, chat=chat)
        return inbound.telegram({"message": message}, number=20_000 + 10 * person + number)
    if channel == "messenger":
        said = inbound.messenger_message(text, mid=f"m_{person}_{number}")
        event = inbound.messenger_event(timestamp=1_700_000_000_000 + number, sender=f"77{person:08}", **said)
        return inbound.messenger(inbound.messenger_batch(event))
    return inbound.webhook({"from": f"portal-{person}", "id": f"m{number}", "text": text})


def flipped(data: bytes, chance: random.Random) -> bytes:
    """Change one character into another."""
    place = chance.randrange(len(data))
    other = chance.choice([one for one in b"abcdefghijklmnopqrstuvwxyz0123456789" if one != data[place]])
    return data[:place] + bytes([other]) + data[place + 1 :]


def forgery(request: Received, channel: str, chance: random.Random) -> Received:
    """Change the proof, or what it vouches for, or leave it out."""
    header = PROOF[channel]
    ways: list[Callable[[], Received]] = [
        lambda: inbound.without(request, header),
        lambda: inbound.with_header(request, header, ""),
        lambda: inbound.with_header(request, header, flipped(request.headers[header].encode(), chance).decode()),
        lambda: inbound.with_header(request, header, request.headers[header][:-1]),
    ]
    if channel in SIGNED:
        ways.append(lambda: replace(request, body=flipped(request.body, chance)))
        ways.append(lambda: replace(request, body=request.body + b"&x=1" if b"=" in request.body else b"{}"))
    return chance.choice(ways)()


async def count(home: House, channel: str, chance: random.Random) -> list[int]:
    """Return how many were forged and refused; sent again and changed nothing; of how many turns."""
    person = list(PROOF).index(channel) + 1
    requests = [genuine(channel, person, number) for number in range(MESSAGES)]
    before = home.rows()
    refused = 0
    for _ in range(EACH):
        response = await home.post(forgery(chance.choice(requests), channel, chance))
        refused += response.status_code == 403
    assert home.rows() == before, f"{channel}: a forged request has changed something"
    for request in requests:
        assert (await home.post(request)).is_success
    after, sent = home.rows(), len(home.platforms[channel].taken)
    again = [request for request in requests for _ in range(AGAIN)]
    chance.shuffle(again)
    unchanged = 0
    for request in again:
        assert (await home.post(request)).is_success
        unchanged += (home.rows(), len(home.platforms[channel].taken)) == (after, sent)
    turns = after["turns"] - before["turns"]
    return [EACH, refused, len(again), unchanged, turns]


async def test_what_becomes_of_them(home: House) -> None:
    chance = random.Random(6)
    counted = {channel: await count(home, channel, chance) for channel in PROOF}
    assert all(forged == refused for forged, refused, *_ in counted.values()), counted
    assert all(again == unchanged for _, _, again, unchanged, _ in counted.values()), counted
    assert {turns for *_, turns in counted.values()} == {MESSAGES}, "each genuine message is one turn"
    lines = [
        "| channel | forged | refused | sent again, out of order | changed nothing | turns of the genuine ones |",
        "|---|---|---|---|---|---|",
        *(f"| {channel} | {' | '.join(map(str, numbers))} |" for channel, numbers in counted.items()),
        f"| all | {' | '.join(str(sum(column)) for column in zip(*counted.values(), strict=True))} |",
    ]
    table = "<!-- counted -->\n" + "\n".join(lines) + "\n<!-- end: counted -->"
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get("PLATEAU_WRITE_TRANSCRIPTS"):
        page = re.sub(r"<!-- counted -->.*<!-- end: counted -->", lambda _: table, page, flags=re.DOTALL)
        PAGE.write_text(page, encoding="utf-8")
    assert table in page, "the table is old: make transcripts writes it"
    sample = home.gateway.metrics.registry.get_sample_value
    told = [sample("plateau_arrivals_total", {"channel": channel, "outcome": "forged"}) for channel in PROOF]
    assert told == [float(EACH)] * len(PROOF), "the clinic's monitoring sees them"
