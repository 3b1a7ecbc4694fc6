"""What a messenger's request does: once, in order, and only if it is the platform's."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import inbound
import pytest
from phones import House, Texter

from plateau.server.platforms import Received

pytestmark = pytest.mark.asyncio(loop_scope="module")

_people = itertools.count(1)


@pytest.fixture
def me(home: House) -> Texter:
    """Somebody who has never written before."""
    return Texter(home, number=f"+1500555{next(_people):04}")


def altered(request: Received) -> Received:
    return replace(request, body=request.body.replace(b"Body=", b"Body=x"))


FORGED: dict[str, Received] = {
    "sms: no signature": inbound.without(inbound.twilio("sms"), "x-twilio-signature"),
    "sms: another's token": inbound.twilio("sms", token="x" * 32),
    "sms: another address": inbound.twilio("sms", url="https://elsewhere.example"),
    "sms: altered": altered(inbound.twilio("sms", body="hi")),
    "sms: WhatsApp's signature": replace(inbound.twilio("whatsapp"), path="/channels/sms"),
    "whatsapp: no signature": inbound.without(inbound.twilio("whatsapp"), "x-twilio-signature"),
    "telegram: no secret": inbound.telegram({"message": inbound.telegram_message(text="hi")}, secret=None),
    "telegram: wrong secret": inbound.telegram({"message": inbound.telegram_message(text="hi")}, secret="wrong"),
    "messenger: no signature": inbound.without(
        inbound.messenger(inbound.messenger_batch(inbound.messenger_event(**inbound.messenger_message()))),
        "x-hub-signature-256",
    ),
    "messenger: wrong secret": inbound.messenger(
        inbound.messenger_batch(inbound.messenger_event(**inbound.messenger_message())), secret="x" * 32
    ),
    "webhook: wrong secret": inbound.webhook({"from": "p1", "id": "1", "text": "hi"}, secret="x" * 40),
    "webhook: an hour old": inbound.webhook({"from": "p1", "id": "1", "text": "hi"}, moment=1_700_000_000),
    "webhook: unsigned": inbound.without(inbound.webhook({"from": "p1", "id": "1", "text": "hi"}), "plateau-signature"),
}


@pytest.mark.parametrize("request_", FORGED.values(), ids=FORGED)
async def test_a_forged_request_is_refused_and_changes_nothing(home: House, request_: Received) -> None:
    before, sent = home.rows(), [len(one.taken) for one in home.platforms.values()]
    response = await home.post(request_)
    assert response.status_code == 403
    assert home.rows() == before
    assert [len(one.taken) for one in home.platforms.values()] == sent


async def test_a_replayed_request_changes_nothing(home: House, me: Texter) -> None:
    await me.say("hi")
    request = inbound.twilio("sms", body="1", From=me.number)
    await home.post(request)
    before, sent = home.rows(), len(home.platforms["sms"].taken)
    for _ in range(3):
        assert (await home.post(request)).is_success
    assert (home.rows(), len(home.platforms["sms"].taken)) == (before, sent)


async def test_a_request_doubled_at_once_is_one_turn(home: House, me: Texter) -> None:
    await me.say("hi")
    number = home.last(me.conversation)["number"]
    request = inbound.twilio("sms", body="1", From=me.number)
    import asyncio

    responses = await asyncio.gather(*(home.post(request) for _ in range(4)))
    assert all(response.is_success for response in responses)
    assert home.last(me.conversation)["number"] == number + 1


async def test_the_first_message_doubled_at_once_is_one_conversation(home: House, me: Texter) -> None:
    import asyncio

    before = home.rows()["conversations"]
    await asyncio.gather(*(home.post(inbound.twilio("sms", body="hi", From=me.number)) for _ in range(3)))
    assert home.rows()["conversations"] == before + 1


async def test_a_captured_request_does_nothing_after_everything_was_deleted(home: House, me: Texter) -> None:
    await me.say("hi")
    request = inbound.twilio("sms", body="1", From=me.number)
    await home.post(request)
    (said,) = await me.say("Delete my answers")
    assert "deleted" in said
    assert me.conversation == ""
    before = home.rows()
    assert (await home.post(request)).is_success
    assert home.rows() == before and me.conversation == ""


async def test_who_writes_again_after_deleting_is_somebody_new(home: House, me: Texter) -> None:
    await me.say("hi")
    first = me.conversation
    await me.say("delete everything")
    await me.say("hello again")
    assert me.conversation and me.conversation != first
    assert me.asked == "for_whom"


async def test_a_message_that_was_overtaken_is_no_answer(home: House) -> None:
    def update(number: int, text: str) -> Received:
        chat = {"id": 777, "first_name": "Ana", "type": "private"}
        return inbound.telegram({"message": inbound.telegram_message(text=text, chat=chat)}, number=number)

    await home.post(update(500, "/start"))
    await home.post(update(502, "for myself"))
    conversation = home.conversation("telegram", "777") or ""
    screen = home.last(conversation)["screen"]
    assert screen["asked"] == "country"
    await home.post(update(501, "united states"))
    assert home.last(conversation)["screen"] == screen
    assert [message["id"] for message in home.last(conversation)["messages"]] == ["channels.said.out_of_order"]
    await home.post(update(499, "my chest hurts and i cannot breathe"))
    assert home.last(conversation)["screen"]["kind"] == "emergency", "danger is heard however late it comes"


async def test_the_address_stands_nowhere_as_it_is(home: House, me: Texter) -> None:
    await me.say("hi")
    with home.gateway.database.reading() as session:
        dump = "\n".join(session.connection().connection.driver_connection.iterdump())
    assert me.number.lstrip("+") not in dump


@pytest.mark.parametrize("first", ["my left calf is twice its size and hot", "I cant feel anything between my legs"])
async def test_danger_in_the_very_first_message_is_answered(home: House, me: Texter, first: str) -> None:
    texts = await me.say(first)
    danger = [text for text in texts if "911" in text and ("today" in text or "now" in text)]
    assert danger, texts


async def test_stop_start_and_help(home: House, me: Texter) -> None:
    await me.say("hi")
    (stopped,) = await me.say("STOP")
    assert "no more messages" in stopped and "START" in stopped
    assert await me.say("1") == [], "who has stopped gets nothing"
    (helped,) = await me.say("Help")
    assert home.gateway.clinic.phone in helped
    assert any("for yourself" in text for text in await me.say("START"))
    await me.say("1")
    assert me.asked == "country"


@pytest.mark.parametrize("word", ["STOP", "HELP", "START"])
async def test_what_the_carrier_has_answered_is_not_answered_again(home: House, me: Texter, word: str) -> None:
    await me.say("hi")
    texts = await me.say(word, OptOutType=word)
    assert (texts == []) == (word != "START")


async def test_who_has_stopped_is_still_told_whom_to_call(home: House, me: Texter) -> None:
    await me.say("hi")
    await me.say("stop")
    texts = await me.say("I have crushing chest pain down my left arm")
    assert texts and "911" in texts[0]


async def test_what_cannot_be_read_is_said(home: House, me: Texter) -> None:
    await me.say("hi")
    texts = await me.say("", NumMedia="1", MediaUrl0="https://api.twilio.com/x", MediaContentType0="image/jpeg")
    assert "words only" in texts[0]
    assert me.asked == "for_whom"


async def test_a_receipt_is_no_message(home: House) -> None:
    before = home.rows()
    form = inbound.twilio_form("sms")
    del form["Body"]
    response = await home.post(inbound.twilio("sms", {**form, "MessageStatus": "delivered"}))
    assert response.is_success and home.rows() == before


async def test_a_channel_that_is_off_is_not_there(home: House) -> None:
    assert (await home.post(Received("POST", "/channels/fax", "", {}, b"{}"))).status_code == 404


async def test_messenger_checks_the_address(home: House) -> None:
    response = await home.post(inbound.messenger_check(challenge="1158201444"))
    assert (response.status_code, response.text) == (200, "1158201444")
    assert (await home.post(inbound.messenger_check(token="wrong"))).status_code == 403


async def test_each_message_of_a_batch_is_answered(home: House) -> None:
    people = ["1001", "1002", "1003"]
    events = [inbound.messenger_event(sender=one, **inbound.messenger_message("hi", mid=f"m_{one}")) for one in people]
    assert (await home.post(inbound.messenger(inbound.messenger_batch(*events)))).is_success
    assert all(home.conversation("messenger", one) for one in people)


async def test_the_clinics_own_app_gets_the_whole_turn(home: House) -> None:
    assert (await home.post(inbound.webhook({"from": "portal-7", "id": "m1", "text": "hi"}))).is_success
    conversation = home.conversation("webhook", "portal-7") or ""
    sent: list[Any] = home.platforms["webhook"].taken
    assert sent[-1]["to"] == "portal-7"
    assert sent[-1]["turn"]["screen"] == home.last(conversation)["screen"]


async def started(home: House, text: str, chat: int, number: int) -> list[str]:
    """Post a Telegram text, the `number`th of its chat; return what stands in the chat then."""
    person = {"id": chat, "first_name": "Ana", "type": "private"}
    message = inbound.telegram_message(text=text, chat=person)
    assert (await home.post(inbound.telegram({"message": message}, number=10 * chat + number))).is_success
    return [shown["text"] for shown in home.platforms["telegram"].chat(chat)]


async def test_telegrams_orders_have_a_slash(home: House) -> None:
    assert "For myself" in str(home.platforms["telegram"].shown) or await started(home, "/start", 6001, 1)
    stopped = await started(home, "/stop", 6001, 2)
    assert "no more messages" in stopped[-1]
    assert await started(home, "hello?", 6001, 3) == stopped


@pytest.mark.parametrize("order", ["STOP", "HELP"])
async def test_who_begins_with_an_order_is_greeted_once_they_want_to_go_on(home: House, me: Texter, order: str) -> None:
    await me.say(order)
    texts = await me.say("START")
    assert any("not private" in text for text in texts) and me.asked == "for_whom", texts


async def test_a_stop_outlives_the_conversation(home: House, me: Texter) -> None:
    await me.say("hi")
    await me.say("STOP")
    await home.gateway.turns.forget(me.conversation)
    assert await me.say("hello again") == []
    assert any("For myself" in text for text in await me.say("START"))


async def test_an_edited_message_is_no_new_answer(home: House) -> None:
    person = "2001"
    first = inbound.messenger_event(sender=person, **inbound.messenger_message("hi", mid="m_e1"))
    await home.post(inbound.messenger(inbound.messenger_batch(first)))
    conversation = home.conversation("messenger", person) or ""
    before = home.last(conversation)
    edit = {"message_edit": {"mid": "m_e1", "text": "for myself", "num_edit": 2}}
    response = await home.post(
        inbound.messenger(inbound.messenger_batch(inbound.messenger_event(sender=person, **edit)))
    )
    assert response.is_success and home.last(conversation) == before


async def test_too_much_at_once_is_said_once(home: House, me: Texter, monkeypatch: pytest.MonkeyPatch) -> None:
    await me.say("hi")
    monkeypatch.setattr(home.gateway.doors._rate, "allows", lambda key: False)
    assert "too much" in (await me.say("1"))[0]
    assert await me.say("1") == []
    texts = await me.say("crushing chest pain down my left arm")
    assert "911" in texts[0]


@pytest.mark.parametrize("number", [2**63, -(2**63), 2**80])
async def test_a_number_that_no_database_holds_changes_nothing(home: House, number: int) -> None:
    message = inbound.telegram_message(text="hello", chat={"id": 6100, "first_name": "A", "type": "private"})
    response = await home.post(inbound.telegram({"message": message}, number=number))
    assert response.status_code in (200, 400)


async def test_danger_in_more_words_than_are_read_is_answered(home: House) -> None:
    await started(home, "/start", 6200, 1)
    long = "well it all began many years ago " * 80 + " and now I have crushing chest pain down my left arm"
    texts = await started(home, long, 6200, 2)
    assert any("call 911" in text for text in texts)
