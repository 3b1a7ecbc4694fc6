"""Messengers when something is broken: nothing taken is lost, and danger is answered whatever else does not work."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import inbound
import pytest
from phones import CLINIC, PATIENCE, House, Texter, house
from standins import Fault, twilio_error

from plateau.cli import main
from plateau.store import Database, StoreError

pytestmark = pytest.mark.asyncio(loop_scope="module")

_people = itertools.count(1)
CHEST = "crushing chest pain down my left arm and i cant breathe"


@pytest.fixture
def me(home: House) -> Texter:
    return Texter(home, number=f"+1500557{next(_people):04}")


@pytest.fixture
def no_model(home: House) -> Iterator[None]:
    turns = home.gateway.turns
    agent, turns._agent = turns._agent, None
    yield
    turns._agent = agent


@pytest.fixture
def no_database(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(self: Database, work: Any) -> Any:
        raise StoreError("the database is away")

    monkeypatch.setattr(Database, "run", fails)
    monkeypatch.setattr(Database, "read", fails)


@pytest.mark.usefixtures("no_model")
async def test_danger_without_a_model(home: House, me: Texter) -> None:
    texts = await me.say(CHEST)
    assert any("911" in text for text in texts), texts


async def test_what_came_while_the_model_was_away_is_answered_when_it_is_back(home: House, me: Texter) -> None:
    turns = home.gateway.turns
    agent, turns._agent = turns._agent, None
    assert await me.say("hello") == []
    turns._agent = agent
    await recovered(home, me)
    assert "For myself" in texts_to(home, me)[-1]


def texts_to(home: House, me: Texter) -> list[str]:
    return [one.text for one in home.platforms["sms"].taken if one.to == me.number]


async def recovered(home: House, me: Texter) -> None:
    """Have what was left answered and sent, by us or by the gateway's own rounds, whoever is quicker."""
    sent = len(texts_to(home, me))
    async with asyncio.timeout(PATIENCE):
        while len(texts_to(home, me)) == sent:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("plateau.server._turns.LEFT_SECONDS", -1.0)
                await home.gateway.turns.recover()
            await home.gateway.deliver()
            await asyncio.sleep(0.05)
    await home.settled()


@pytest.mark.usefixtures("no_database")
@pytest.mark.parametrize(("text", "called"), [(CHEST, True), ("hi there", False)], ids=["danger", "hello"])
async def test_without_a_database_the_platform_is_told_to_send_again(
    home: House, me: Texter, text: str, called: bool
) -> None:
    before = len(home.platforms["sms"].taken)
    response = await home.client.post(**as_post(inbound.twilio("sms", body=text, From=me.number)))
    assert response.status_code == 503
    sent = [one.text for one in home.platforms["sms"].taken[before:]]
    assert ("Please stop here and call 911" in sent[0]) == called
    assert "not saved" in sent[-1]


@pytest.mark.usefixtures("no_database")
async def test_danger_in_the_second_message_of_a_batch_is_answered_though_the_first_cannot_be_kept(home: House) -> None:
    said = [inbound.messenger_message(text, mid=f"m_b{number}") for number, text in enumerate(("hello", CHEST))]
    events = [inbound.messenger_event(sender=f"880{number}", **one) for number, one in enumerate(said)]
    request = inbound.messenger(inbound.messenger_batch(*events))
    assert (await home.client.post(**as_post(request))).status_code == 503
    sent = [message["text"] for psid, message in home.platforms["messenger"].taken if psid == "8801"]
    assert sent and "call 911" in sent[0]


def as_post(request: Any) -> dict[str, Any]:
    return {"url": request.path, "content": request.body, "headers": dict(request.headers)}


async def test_a_worker_that_dies_after_its_answer_loses_nothing(home: House, me: Texter) -> None:
    await me.say("hi")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(home.gateway.doors, "_soon", lambda work: work.close())
        assert await me.say("1") == []
    await recovered(home, me)
    assert "Which country" in texts_to(home, me)[-1]
    assert me.asked == "country"


async def test_a_platform_that_is_down_gets_every_reply_later_in_order(
    home: House, me: Texter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await me.say("hi")
    monkeypatch.setattr("plateau.server._courier.DELAYS", (3600,))
    home.platforms["sms"].fail(Fault.status(503))
    assert await me.say("1") == []
    # It would wait an hour; but the patient is there now, so it is tried at once, and before what answers them.
    texts = await me.say("1")
    assert ["Which country" in texts[0], "Before we start" in texts[1], len(texts)] == [True, True, 2]


async def test_what_the_platform_will_never_take_is_given_up_and_shown(
    home: House, me: Texter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await me.say("hi")
    home.platforms["sms"].fail(twilio_error(400, 21610, "Attempt to send to unsubscribed recipient"))
    await me.say("1")
    assert ("reply", "sms", "given_up") in home.letters("given_up")
    monkeypatch.setenv("PLATEAU_DATA", home.gateway.settings.data)
    assert main(["alerts"]) == 0
    shown = capsys.readouterr().out
    assert '"state":"given_up"' in shown and "21610" in shown
    assert me.number not in shown and "country" not in shown
    number = next(int(line.split('"id":')[1].split(",")[0]) for line in shown.splitlines() if "21610" in line)
    assert main(["alerts", "--again", str(number)]) == 0
    before = len(home.platforms["sms"].taken)
    await home.gateway.deliver()
    assert len(home.platforms["sms"].taken) == before + 1
    assert main(["alerts", "--again", str(number)]) == 1


async def test_who_declines_leaves_no_word_and_can_come_back(home: House, me: Texter) -> None:
    await me.say("my knee, hello")
    await me.say("for myself")
    await me.say("1")
    texts = await me.say("2")
    assert any("deleted" in text for text in texts)
    with home.gateway.database.reading() as session:
        from plateau.store import Repository

        held = str(Repository(session).export(me.conversation)["events"])
    assert "knee" not in held
    texts = await me.say("yes")
    assert any("May I ask" in text for text in texts), texts


async def test_a_channel_that_only_invites_keeps_nothing_and_answers_danger(tmp_path: Path) -> None:
    channels = {"telegram": {"bot": "riverside_bot"}, "messenger": {"page": inbound.PAGE}}
    async with house(tmp_path, channels=channels) as home:
        chat = {"id": 4242, "first_name": "Ana", "type": "private"}
        for number, text in enumerate(("hello", CHEST), start=1):
            message = inbound.telegram_message(text=text, chat=chat)
            assert (await home.post(inbound.telegram({"message": message}, number=number))).is_success
        texts = [message["text"] for message in home.platforms["telegram"].chat(4242)]
        assert CLINIC["public_url"] in texts[0]
        assert any("call 911" in text for text in texts[1:])
        rows = home.rows()
        assert (rows["conversations"], rows["contacts"], rows["inbox"], rows["outbox"]) == (0, 0, 0, 0)
        assert home.violations() == []


async def test_an_invitation_begins_a_known_patients_conversation_and_goes_on_in_it(home: House) -> None:
    link, _ = home.gateway.invites.make("4711", 14)
    token = link.partition("#invite=")[2]
    begun = await home.client.post("/api/session", json={"patient": token})
    assert begun.status_code == 201
    first = begun.json()
    headers = {"Authorization": f"Bearer {first['token']}"}
    turn = {"id": "a1", "answers": {"for_whom": "self", "country": "us"}}
    assert (await home.client.post("/api/turn", json=turn, headers=headers)).status_code == 200
    again = (await home.client.post("/api/session", json={"patient": token})).json()
    assert again["turn"]["screen"]["asked"] == "consent"
    wrong = await home.client.post("/api/session", json={"patient": token[:-2]})
    assert wrong.status_code == 404


async def test_the_number_to_call_waits_for_nothing(home: House, me: Texter, monkeypatch: pytest.MonkeyPatch) -> None:
    await me.say("hi")
    monkeypatch.setattr("plateau.server._courier.DELAYS", (3600,))
    home.platforms["sms"].fail(Fault.status(503))
    assert await me.say("1") == []
    home.platforms["sms"].fail(Fault.status(503))
    texts = await me.say(CHEST)
    assert texts and "911" in texts[0], "what waits was tried, failed again, and did not hold it up"


async def test_an_invitation_of_an_emergency_that_was_not_taken_is_tried_again(tmp_path: Path) -> None:
    async with house(tmp_path, channels={"telegram": {"bot": "riverside_bot"}}) as home:
        chat = {"id": 4343, "first_name": "Ana", "type": "private"}
        request = inbound.telegram({"message": inbound.telegram_message(text=CHEST, chat=chat)}, number=1)
        home.platforms["telegram"].fail(Fault.status(502))
        assert (await home.post(request)).status_code == 503
        assert (await home.post(request)).is_success
        texts = [message["text"] for message in home.platforms["telegram"].chat(4343)]
        assert "call 911" in texts[0]
        sent = len(texts)
        await home.post(request)
        assert len(home.platforms["telegram"].chat(4343)) == sent


async def test_a_message_that_comes_while_somebody_declines_is_not_lost(home: House, me: Texter) -> None:
    await me.say("hi")
    for text in ("1", "1"):
        await me.say(text)
    doors, later = home.gateway.doors, []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doors, "_soon", later.append)
        await me.say("2")
        await me.say("STOP")
    for work in later:
        await work
    await home.settled()
    with home.gateway.database.reading() as session:
        from plateau.store import Contacts

        contact = Contacts(session).of(me.conversation)
    assert contact is not None and contact.stopped
    assert home.last(me.conversation)["stage"] == "declined"
