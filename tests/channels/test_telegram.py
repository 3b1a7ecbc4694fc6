"""Telegram: what is believed, what is read of each update, what is sent and drawn anew, what becomes of errors."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from inbound import (
    CHAT,
    SENDER,
    TELEGRAM_SECRET,
    TELEGRAM_TOKEN,
    telegram,
    telegram_member,
    telegram_message,
    telegram_tap,
    with_header,
)
from standins import Fault, TelegramServer, telegram_error, wait

from plateau.channels import Said
from plateau.server.platforms import Arrived, Broken, Edit, Forged, Received, Refused, Unreachable, _proof
from plateau.server.platforms._telegram import Telegram

ADDRESS = str(CHAT)
KEYS = {"inline_keyboard": [[{"text": "Yes", "callback_data": "a:1:yes"}], [{"text": "No", "callback_data": "a:1:no"}]]}
TICKED = {"inline_keyboard": [[{"text": "✓ Yes", "callback_data": "a:1:yes"}]]}
GROUP = {"id": -100123, "type": "supergroup", "title": "Back pain friends"}


def platform(api: str = "http://127.0.0.1:9") -> Telegram:
    return Telegram(token=TELEGRAM_TOKEN, secret=TELEGRAM_SECRET, api=api)


@pytest.fixture
def server() -> Iterator[TelegramServer]:
    with TelegramServer(TELEGRAM_TOKEN) as server:
        yield server


# In the loop of the test, to which the connections belong.
@pytest_asyncio.fixture(loop_scope="function")
async def bot(server: TelegramServer) -> AsyncIterator[Telegram]:
    made = platform(server.url)
    yield made
    await made.close()


# ---------------------------------------------------------------- what is believed


HELLO = {"message": telegram_message(text="hello")}
FORGED: dict[str, Received] = {
    "no secret": telegram(HELLO, secret=None),
    "an empty secret": telegram(HELLO, secret=""),
    "another secret": telegram(HELLO, secret="another-secret_0123456789"),
    "half of the secret": telegram(HELLO, secret=TELEGRAM_SECRET[:-1]),
    "more than the secret": telegram(HELLO, secret=TELEGRAM_SECRET + "0"),
    "the bot's token": telegram(HELLO, secret=TELEGRAM_TOKEN),
    "no ASCII": with_header(telegram(HELLO), "x-telegram-bot-api-secret-token", "☃\udcff"),
    "the secret under another name": with_header(telegram(HELLO, secret=None), "authorization", TELEGRAM_SECRET),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_update_is_refused(name: str) -> None:
    with pytest.raises(Forged):
        platform().arrived(FORGED[name])


def test_the_secret_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    own = _proof.hmac.compare_digest
    monkeypatch.setattr(_proof.hmac, "compare_digest", lambda a, b: compared.append(1) or own(a, b))
    platform().arrived(telegram(HELLO))
    assert compared


DEEP = b"[" * 100_000
NONE = [b"", b"[]", b"{", b"\xff", b'{"message": {}}', DEEP, b'{"update_id": "x"}']


@pytest.mark.parametrize("body", NONE, ids=lambda body: repr(body[:20]))
def test_what_is_no_update_is_broken(body: bytes) -> None:
    with pytest.raises(Broken, match="allowed:"):
        platform().arrived(replace(telegram(HELLO), body=body))


# ---------------------------------------------------------------- what is read


def said(text: str, id: str = "10000") -> Arrived:
    return Arrived(ADDRESS, id, Said(text=text), order=10_000)


READ: dict[str, tuple[dict[str, Any], Arrived | None]] = {
    "words": ({"message": telegram_message(text="¡Hola! 7")}, said("¡Hola! 7")),
    "a command": (
        {"message": telegram_message(text="/start K7M2", entities=[{"type": "bot_command", "offset": 0, "length": 6}])},
        said("/start K7M2"),
    ),
    "a picture alone": ({"message": telegram_message(photo=[{"file_id": "A"}])}, said("")),
    "a picture with words": ({"message": telegram_message(photo=[{}], caption="my knee")}, said("my knee")),
    "a voice message": ({"message": telegram_message(voice={"file_id": "A", "duration": 3})}, said("")),
    "a sticker": ({"message": telegram_message(sticker={"emoji": "👍"})}, said("")),
    "a place": ({"message": telegram_message(location={"latitude": 1.5, "longitude": 2.5})}, said("")),
    "a pinned message": ({"message": telegram_message(pinned_message=telegram_message(text="x"))}, None),
    "a timer": ({"message": telegram_message(message_auto_delete_timer_changed={"message_auto_delete_time": 1})}, None),
    "of a group": ({"message": telegram_message(text="hello", chat=GROUP)}, None),
    "of a channel": ({"channel_post": telegram_message(text="hello", chat={**GROUP, "type": "channel"})}, None),
    "of another bot": ({"message": telegram_message(text="hello", **{"from": {**SENDER, "is_bot": True}})}, None),
    "an edited message": (
        {"edited_message": telegram_message(text="I cannot feel my legs", edit_date=1_700_000_100)},
        said("I cannot feel my legs", "10000/edited"),
    ),
    "a tap": (
        telegram_tap("a:1:yes"),
        Arrived(ADDRESS, "10000", Said(tap="a:1:yes"), order=10_000, edit=Edit("7", "4382bfdwdsb323b2d9")),
    ),
    "a tap on an old message": (
        {"callback_query": {"id": "4", "from": SENDER, "chat_instance": "-3", "data": "a:1:yes",
                            "message": {"chat": {"id": CHAT, "type": "private"}, "message_id": 3, "date": 0}}},
        Arrived(ADDRESS, "10000", Said(tap="a:1:yes"), order=10_000, edit=Edit("3", "4")),
    ),
    "a tap in a group": (
        {"callback_query": {"id": "4", "from": SENDER, "data": "a", "message": telegram_message(chat=GROUP)}},
        None,
    ),
    "a tap on a game": ({"callback_query": {"id": "4", "from": SENDER, "game_short_name": "x"}}, None),
    "blocked": (telegram_member("member", "kicked"), replace(said(""), carrier="stop")),
    "unblocked": (telegram_member("kicked", "member"), replace(said(""), carrier="start")),
    "put into a group": (telegram_member("left", "member", chat=GROUP), None),
    "begun": (telegram_member("left", "member"), None),
    "something new": ({"message_reaction": {"chat": {"id": CHAT, "type": "private"}}}, None),
    "nonsense": ({"message": {"chat": {"id": "x", "type": 3}, "text": []}}, None),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_is_read_of_an_update(name: str) -> None:
    update, right = READ[name]
    assert list(platform().arrived(telegram(update))) == ([] if right is None else [right])


# ---------------------------------------------------------------- what is sent and drawn anew


async def test_a_message_is_sent_by_the_method_it_names(bot: Telegram, server: TelegramServer) -> None:
    await bot.send(ADDRESS, {"method": "sendMessage", "text": "Better? ¿Sí?", "reply_markup": KEYS})
    await bot.send(ADDRESS, {"text": "without a method"})
    shown = [{"text": "Better? ¿Sí?", "reply_markup": KEYS}, {"text": "without a method"}]
    assert server.chat(CHAT) == shown
    assert server.violations == []


async def test_a_tap_stops_the_clock_and_changes_the_buttons(bot: Telegram, server: TelegramServer) -> None:
    await bot.send(ADDRESS, {"text": "Where?", "reply_markup": KEYS})
    await bot.redraw(ADDRESS, Edit("1", "cb"), {"reply_markup": TICKED})
    assert server.chat(CHAT) == [{"text": "Where?", "reply_markup": TICKED}]
    assert [method for method, _ in server.taken][1:] == ["answerCallbackQuery", "editMessageReplyMarkup"]


async def test_a_tap_may_change_the_whole_message(bot: Telegram, server: TelegramServer) -> None:
    await bot.send(ADDRESS, {"text": "Where?", "reply_markup": KEYS})
    await bot.redraw(
        ADDRESS, Edit("1", "cb"), {"method": "sendMessage", "text": "Where? Knee.", "reply_markup": TICKED}
    )
    assert server.chat(CHAT) == [{"text": "Where? Knee.", "reply_markup": TICKED}]


async def test_a_tap_that_changes_nothing_only_stops_the_clock(bot: Telegram, server: TelegramServer) -> None:
    await bot.redraw(ADDRESS, Edit("1", "cb"), None)
    assert server.taken == [("answerCallbackQuery", {"callback_query_id": "cb"})]


async def test_the_same_tap_twice_is_no_error(bot: Telegram, server: TelegramServer) -> None:
    await bot.send(ADDRESS, {"text": "Where?", "reply_markup": KEYS})
    for _ in range(2):
        await bot.redraw(ADDRESS, Edit("1", "cb"), {"reply_markup": TICKED})
    assert server.chat(CHAT) == [{"text": "Where?", "reply_markup": TICKED}]


async def test_a_tap_that_is_answered_late_still_changes_the_message(bot: Telegram, server: TelegramServer) -> None:
    server.late_queries.add("cb")
    await bot.send(ADDRESS, {"text": "Where?", "reply_markup": KEYS})
    await bot.redraw(ADDRESS, Edit("1", "cb"), {"reply_markup": TICKED})
    assert server.chat(CHAT) == [{"text": "Where?", "reply_markup": TICKED}]


async def test_a_message_that_is_gone_is_refused(bot: Telegram) -> None:
    with pytest.raises(Refused, match="message to edit not found"):
        await bot.redraw(ADDRESS, Edit("99", "cb"), {"text": "x"})


# ---------------------------------------------------------------- what becomes of errors


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "too long": ({"text": "x" * 4097}, "message is too long"),
    "too long in emoji": ({"text": "👍" * 2049}, "message is too long"),
    "empty": ({"text": " "}, "message text is empty"),
    "data too long": (
        {"text": "?", "reply_markup": {"inline_keyboard": [[{"text": "A", "callback_data": "é" * 33}]]}},
        "BUTTON_DATA_INVALID",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_breaks_a_limit_is_refused_and_written_down(
    bot: Telegram, server: TelegramServer, name: str
) -> None:
    message, why = REFUSED[name]
    with pytest.raises(Refused, match=why):
        await bot.send(ADDRESS, message)
    assert len(server.violations) == 1


async def test_who_blocked_the_bot_is_refused(bot: Telegram, server: TelegramServer) -> None:
    server.blocked.add(CHAT)
    with pytest.raises(Refused, match="bot was blocked by the user"):
        await bot.send(ADDRESS, {"text": "hello"})


async def test_who_never_wrote_is_refused(bot: Telegram, server: TelegramServer) -> None:
    server.strangers.add(CHAT)
    with pytest.raises(Refused, match="chat not found"):
        await bot.send(ADDRESS, {"text": "hello"})


LATER: dict[str, tuple[Any, float | None]] = {
    "too many": (telegram_error(429, "Too Many Requests: retry after 35", retry_after=35), 35.0),
    "too many for an hour": (telegram_error(429, "Too Many Requests", retry_after=3600), 3600.0),
    "for ever": (telegram_error(429, "Too Many Requests", retry_after=10**12), 86_400.0),
    "broken": (telegram_error(500, "Internal Server Error"), None),
    "away": (Fault.status(502, "<html>Bad Gateway</html>"), None),
    "not ok, and no more": (Fault.status(200, {"ok": False}), None),
    "a proxy's page": (Fault.status(200, "<html>sign in</html>"), None),
    "a redirect": (Fault.status(301, "", Location="/again"), None),
    "no answer": (Fault.silent, None),
    "dropped": (Fault.dropped, None),
    "taken and dropped": (Fault.taken_and_dropped, None),
    "a wrong token": (telegram_error(401, "Unauthorized"), None),
    "no such bot": (telegram_error(404, "Not Found"), None),
}


@pytest.mark.parametrize("name", LATER)
async def test_what_may_work_later_is_unreachable(bot: Telegram, server: TelegramServer, name: str) -> None:
    fault, seconds = LATER[name]
    server.fail(fault)
    wait(bot, fault)
    with pytest.raises(Unreachable) as raised:
        await bot.send(ADDRESS, {"text": "hello"})
    assert raised.value.seconds == seconds
    wait(bot, None)
    await bot.send(ADDRESS, {"text": "later"})
    assert server.chat(CHAT)[-1] == {"text": "later"}


@pytest.mark.parametrize(
    "fault",
    [
        telegram_error(401, "Unauthorized"),
        telegram_error(400, "Bad Request: can't parse entities: my secret"),
        Fault.silent,
    ],
)
async def test_no_address_word_or_secret_is_logged(
    bot: Telegram, server: TelegramServer, caplog: pytest.LogCaptureFixture, fault: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    server.fail(fault)
    wait(bot, fault)
    with pytest.raises((Refused, Unreachable)) as raised:
        await bot.send(ADDRESS, {"text": "my secret"})
    told = f"{caplog.text} {raised.value!r} {raised.value.__cause__!r} {bot!r}"
    assert not [secret for secret in (ADDRESS, "my secret", TELEGRAM_TOKEN, TELEGRAM_SECRET) if secret in told]
