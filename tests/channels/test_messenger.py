"""Messenger: what is believed, what is read of each batch, what is sent, what becomes of errors."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from inbound import (
    APP_SECRET,
    MESSENGER_TOKEN,
    PAGE,
    PSID,
    VERIFY,
    messenger,
    messenger_batch,
    messenger_check,
    messenger_event,
    messenger_message,
    with_body,
    with_header,
    without,
)
from standins import Fault, GraphServer, graph_error, wait

from plateau.channels import Said
from plateau.server.platforms import Arrived, Broken, Edit, Forged, Received, Refused, Unreachable, _proof
from plateau.server.platforms._messenger import Messenger

TIME = 1_458_692_752_478
TEXT = {"text": "Better?", "quick_replies": [{"content_type": "text", "title": "Yes", "payload": "a:1:yes"}]}

QUICK = {"message": TEXT, "messaging_type": "RESPONSE"}


def platform(api: str = "http://127.0.0.1:9") -> Messenger:
    secrets = {"app_secret": APP_SECRET, "token": MESSENGER_TOKEN, "verify": VERIFY}
    return Messenger(page=PAGE, api=api, **secrets)


@pytest.fixture
def server() -> Iterator[GraphServer]:
    with GraphServer(PAGE, APP_SECRET, MESSENGER_TOKEN) as server:
        yield server


# In the loop of the test, to which the connections belong.
@pytest_asyncio.fixture(loop_scope="function")
async def page(server: GraphServer) -> AsyncIterator[Messenger]:
    made = platform(server.url)
    yield made
    await made.close()


def one(**event: Any) -> dict[str, Any]:
    return messenger_batch(messenger_event(**event))


# ---------------------------------------------------------------- what is believed


HELLO = messenger(one(**messenger_message("I am well")))
SIGNATURE = "x-hub-signature-256"
FORGED: dict[str, Received] = {
    "no signature": without(HELLO, SIGNATURE),
    "an empty signature": with_header(HELLO, SIGNATURE, ""),
    "without its scheme": with_header(HELLO, SIGNATURE, HELLO.headers[SIGNATURE].removeprefix("sha256=")),
    "the old scheme": with_header(without(HELLO, SIGNATURE), "x-hub-signature", "sha1=" + "0" * 40),
    "a scheme of the sender's choice": with_header(HELLO, SIGNATURE, "md5=d41d8cd98f00b204e9800998ecf8427e"),
    "no ASCII": with_header(HELLO, SIGNATURE, "sha256=☃"),
    "another secret": messenger(one(**messenger_message()), secret="another-secret-0123456789"),
    "the page's token": messenger(one(**messenger_message()), secret=MESSENGER_TOKEN),
    "the body changed": with_body(HELLO, b"well", b"ill!"),
    "the sender changed": with_body(HELLO, PSID.encode(), b"9" * len(PSID)),
    "the same JSON, spaced otherwise": replace(HELLO, body=HELLO.body.replace(b", ", b",")),
    "no body": replace(HELLO, body=b""),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_batch_is_refused(name: str) -> None:
    with pytest.raises(Forged):
        platform().arrived(FORGED[name])


def test_the_signature_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    own = _proof.hmac.compare_digest
    monkeypatch.setattr(_proof.hmac, "compare_digest", lambda a, b: compared.append(1) or own(a, b))
    platform().arrived(HELLO)
    assert compared


DEEP = b"[" * 100_000
NONE = [b"", b"[]", b"{", b"\xff", DEEP]


@pytest.mark.parametrize("body", NONE, ids=lambda body: repr(body[:20]))
def test_what_is_signed_and_no_batch_is_broken(body: bytes) -> None:
    with pytest.raises(Broken, match="allowed:"):
        platform().arrived(messenger(body))


CHECKS: dict[str, tuple[Received, str | None]] = {
    "right": (messenger_check(), "1158201444"),
    "another token": (messenger_check(token="another-token-0123456789"), None),
    "no token": (messenger_check(token=""), None),
    "another mode": (messenger_check(mode="unsubscribe"), None),
    "a challenge a browser could run": (messenger_check(challenge="<script>alert(1)</script>"), None),
    "no challenge": (messenger_check(challenge=""), None),
    "an endless challenge": (messenger_check(challenge="1" * 257), None),
    "no query": (replace(messenger_check(), query=""), None),
}


@pytest.mark.parametrize("name", CHECKS)
def test_the_check_of_the_address_is_answered_with_the_right_token_only(name: str) -> None:
    request, challenge = CHECKS[name]
    if challenge is None:
        with pytest.raises(Forged):
            platform().greeting(request)
    else:
        assert platform().greeting(request) == challenge


# ---------------------------------------------------------------- what is read


def said(text: str | None = None, tap: str | None = None, id: str = "m_1") -> list[Arrived]:
    return [Arrived(PSID, id, Said(text, tap), order=TIME)]


HEARD = messenger_event(**messenger_message())
READ: dict[str, tuple[dict[str, Any], list[Arrived]]] = {
    "words": (one(**messenger_message("¡Hola! 7 👍")), said("¡Hola! 7 👍")),
    "a quick reply": (one(**messenger_message("Yes", quick_reply={"payload": "a:1:yes"})), said(tap="a:1:yes")),
    "a button": (one(postback={"mid": "m_1", "title": "Yes", "payload": "a:1:yes"}), said(tap="a:1:yes")),
    "get started": (one(postback={"mid": "m_1", "title": "Get Started", "payload": "/start"}), said("/start")),
    "get started by a link": (
        one(postback={"mid": "m_1", "payload": "/start", "referral": {"ref": "K7M2", "source": "SHORTLINK"}}),
        said("/start K7M2"),
    ),
    "get started by a link that is odd": (
        one(postback={"mid": "m_1", "payload": "/start", "referral": {"ref": "a b\n/restart"}}),
        said("/start"),
    ),
    "a picture": (one(message={"mid": "m_1", "attachments": [{"type": "image", "payload": {"url": "x"}}]}), said("")),
    "a voice message": (one(message={"mid": "m_1", "attachments": [{"type": "audio", "payload": {}}]}), said("")),
    "a picture with words": (
        one(**messenger_message("my knee", attachments=[{"type": "image", "payload": {}}])),
        said("my knee"),
    ),
    "what Messenger cannot pass on": (one(message={"mid": "m_1", "is_unsupported": True}), said("")),
    "an edited message": (
        one(message_edit={"mid": "m_1", "text": "I cannot feel my legs", "num_edit": 2}),
        said("I cannot feel my legs", id="m_1/edited/2"),
    ),
    "an echo": (
        one(**messenger_message(is_echo=True), sender=PAGE, recipient={"id": PSID}),
        [],
    ),
    "an echo to the page itself": (one(**messenger_message(is_echo=True)), []),
    "delivered": (one(delivery={"mids": ["m_1"], "watermark": TIME}), []),
    "seen": (one(read={"watermark": TIME}), []),
    "a reaction": (one(reaction={"mid": "m_1", "action": "react", "emoji": "👍"}), []),
    "deleted": (one(message={"mid": "m_1", "is_deleted": True}), []),
    "of another page": (messenger_batch(HEARD, page="999999"), []),
    "to another page": (messenger_batch({**HEARD, "recipient": {"id": "9"}}), []),
    "of no page": (messenger_batch(HEARD, object="instagram"), []),
    "while a person answers": ({"object": "page", "entry": [{"id": PAGE, "standby": [HEARD]}]}, []),
    "the time as text": (one(timestamp=str(TIME), **messenger_message()), said("hello")),
    "nonsense": ({"object": "page", "entry": [3, {"id": PAGE, "messaging": [None, {"sender": 3}]}, {"id": PAGE}]}, []),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_is_read_of_a_batch(name: str) -> None:
    batch, right = READ[name]
    assert list(platform().arrived(messenger(batch))) == right


def test_everything_of_a_batch_is_read() -> None:
    events = [messenger_event(timestamp=TIME + n, **messenger_message(f"{n}", mid=f"m_{n}")) for n in range(4)]
    entries = [{"id": PAGE, "time": TIME, "messaging": events[:3]}, {"id": "1"}, {"id": PAGE, "messaging": events[3:]}]
    arrived = platform().arrived(messenger({"object": "page", "entry": entries}))
    told = [(one.id, one.said.text, one.order) for one in arrived]
    assert told == [(f"m_{n}", f"{n}", TIME + n) for n in range(4)]


def test_a_tap_without_an_id_has_the_same_one_when_it_comes_again() -> None:
    tap = messenger(one(postback={"title": "Yes", "payload": "a:1:yes"}))
    later = messenger(one(timestamp=TIME + 1, postback={"title": "Yes", "payload": "a:1:yes"}))
    link = messenger(one(referral={"ref": "K7M2", "source": "SHORTLINK", "type": "OPEN_THREAD"}))
    (come,) = platform().arrived(link)
    assert (come.said, come.id) == (Said(text="/start K7M2"), platform().arrived(link)[0].id)
    ids = [platform().arrived(request)[0].id for request in (tap, tap, later)]
    assert ids[0] == ids[1] != ids[2]
    assert PSID not in ids[0]


# ---------------------------------------------------------------- what is sent


async def test_a_message_goes_out_as_an_answer_with_its_proof(page: Messenger, server: GraphServer) -> None:
    await page.send(PSID, QUICK)
    assert server.taken == [(PSID, TEXT)]
    assert server.violations == []
    (call,) = server.calls
    assert call.path == f"/v26.0/{PAGE}/messages"
    assert call.query == "", "secrets stand in no address"


async def test_a_redrawn_message_is_a_new_one(page: Messenger, server: GraphServer) -> None:
    await page.redraw(PSID, Edit("1", "2"), None)
    await page.redraw(PSID, Edit("1", "2"), QUICK)
    assert server.taken == [(PSID, TEXT)]


# ---------------------------------------------------------------- what becomes of errors


REFUSED: dict[str, tuple[Any, str]] = {
    "after 24 hours": (graph_error(10, 2018278), "24 hours"),
    "after 24 hours, as it was said before": (graph_error(10, 2018065, status=403), "24 hours"),
    "blocked": (graph_error(551, 1545041), "takes no messages"),
    "blocked, said otherwise": (graph_error(200, 1545041, status=403), "takes no messages"),
    "unknown": (graph_error(100, 2018001), "no such patient"),
    "a wrong message": (graph_error(100), "refused"),
    "something else": (graph_error(1893016), "refused"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_will_never_be_taken_is_refused(page: Messenger, server: GraphServer, name: str) -> None:
    fault, why = REFUSED[name]
    server.fail(fault)
    wait(page, fault)
    with pytest.raises(Refused, match=why):
        await page.send(PSID, QUICK)


LATER: dict[str, tuple[Any, float | None]] = {
    "too many calls of the app": (graph_error(4), None),
    "too many calls of the page": (graph_error(32), None),
    "too many calls here": (graph_error(613), None),
    "too many, with a time": (Fault.status(429, {"error": {"code": 613}}, Retry_After="60"), 60.0),
    "a temporary failure": (graph_error(1200), None),
    "an unknown failure": (graph_error(1, 99), None),
    "away": (graph_error(2, status=500), None),
    "a wrong token": (graph_error(190, 463, status=401), None),
    "a permission that is missing": (graph_error(10), None),
    "no permission for messages": (graph_error(230, status=403), None),
    "a proxy's page": (Fault.status(502, "<html>"), None),
    "not JSON": (Fault.status(400, "<html>"), None),
    "a redirect": (Fault.status(302, "", Location="/again"), None),
    "no answer": (Fault.silent, None),
    "dropped": (Fault.dropped, None),
    "taken and dropped": (Fault.taken_and_dropped, None),
}


@pytest.mark.parametrize("name", LATER)
async def test_what_may_work_later_is_unreachable(page: Messenger, server: GraphServer, name: str) -> None:
    fault, seconds = LATER[name]
    server.fail(fault)
    wait(page, fault)
    with pytest.raises(Unreachable) as raised:
        await page.send(PSID, QUICK)
    assert raised.value.seconds == seconds
    wait(page, None)
    await page.send(PSID, {"message": {"text": "later"}})
    assert server.taken[-1] == (PSID, {"text": "later"})


LIMITS: dict[str, dict[str, Any]] = {
    "a text above 2000": {"text": "x" * 2001},
    "14 quick replies": {**TEXT, "quick_replies": TEXT["quick_replies"] * 14},
    "a title above 20": {"text": "?", "quick_replies": [{"content_type": "text", "title": "x" * 21, "payload": "a"}]},
    "no text": {"text": ""},
}


@pytest.mark.parametrize("name", LIMITS)
async def test_what_breaks_a_limit_is_refused_and_written_down(page: Messenger, server: GraphServer, name: str) -> None:
    with pytest.raises(Refused):
        await page.send(PSID, {"message": LIMITS[name]})
    assert server.violations


@pytest.mark.parametrize(
    "fault", [graph_error(190, text=MESSENGER_TOKEN), graph_error(100, text="my secret"), Fault.silent]
)
async def test_no_address_word_or_secret_is_logged(
    page: Messenger, server: GraphServer, caplog: pytest.LogCaptureFixture, fault: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    server.fail(fault)
    wait(page, fault)
    with pytest.raises((Refused, Unreachable)) as raised:
        await page.send(PSID, {"message": {"text": "my secret"}})
    told = f"{caplog.text} {raised.value!r} {raised.value.__cause__!r} {page!r}"
    secrets = (PSID, "my secret", MESSENGER_TOKEN, APP_SECRET, VERIFY)
    assert not [secret for secret in secrets if secret in told]


async def test_a_wrong_proof_is_refused_by_the_stand_in(server: GraphServer) -> None:
    other = Messenger(page=PAGE, app_secret="x" * 32, token=MESSENGER_TOKEN, verify=VERIFY, api=server.url)
    with pytest.raises(Refused):
        await other.send(PSID, QUICK)
    await other.close()
    assert json.loads(server.calls[0].form()["message"]) == TEXT
    assert server.taken == []
