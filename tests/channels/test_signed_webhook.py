"""The signed webhook: what is believed and read, what is sent with its proof, what becomes of each answer."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from inbound import WEBHOOK_SECRET, webhook, webhook_signature, with_body, with_header, without
from standins import Fault, Receiver, wait

from plateau.channels import Said
from plateau.content import SettingError
from plateau.server.platforms import Arrived, Broken, Edit, Forged, Received, Refused, Unreachable, _proof
from plateau.server.platforms._webhook import Webhook

NEW, OTHER = "the-new-secret-0123456789-0123456789", "another-secret-0123456789-0123456789"
NOW = 1_800_000_000.0
HELLO = {"from": "patient-4711", "id": "b7f0c2", "text": "I am well"}
TURN = {"id": "out-1", "turn": {"messages": [{"text": "¿Cómo está?"}]}}
RECIPE = Path(__file__).parents[2] / "docs" / "webhooks.md"


def platform(url: str = "http://127.0.0.1:9", *secrets: str) -> Webhook:
    return Webhook(url=url, secrets=secrets or (WEBHOOK_SECRET,), clock=lambda: NOW)


def arrived(said: Any, **more: Any) -> Received:
    return webhook(said, **{"moment": NOW, **more})


@pytest.fixture
def server() -> Iterator[Receiver]:
    with Receiver(WEBHOOK_SECRET) as server:
        yield server


# In the loop of the test, to which the connections belong.
@pytest_asyncio.fixture(loop_scope="function")
async def app(server: Receiver) -> AsyncIterator[Webhook]:
    made = Webhook(url=server.url, secrets=(WEBHOOK_SECRET,))
    yield made
    await made.close()


# ---------------------------------------------------------------- what is believed


BODY = json.dumps(HELLO).encode()
TWO = f"v1={'0' * 64}, {webhook_signature(str(int(NOW)), BODY)}"
GENUINE: dict[str, Received] = {
    "now": arrived(HELLO),
    "five minutes old": arrived(HELLO, moment=NOW - 300),
    "five minutes ahead": arrived(HELLO, moment=NOW + 300),
    "with several signatures": with_header(arrived(BODY), "plateau-signature", TWO),
}


@pytest.mark.parametrize("name", GENUINE)
def test_a_genuine_request_is_taken(name: str) -> None:
    said = Said(text="I am well")
    assert list(platform().arrived(GENUINE[name])) == [Arrived("patient-4711", "b7f0c2", said)]


FORGED: dict[str, Received] = {
    "no signature": without(arrived(HELLO), "plateau-signature"),
    "an empty signature": with_header(arrived(HELLO), "plateau-signature", ""),
    "of another version": with_header(arrived(BODY), "plateau-signature", TWO.split("=")[-1]),
    "no ASCII": with_header(arrived(HELLO), "plateau-signature", "v1=☃"),
    "without a time": without(arrived(HELLO), "plateau-timestamp"),
    "a time that is none": with_header(arrived(HELLO), "plateau-timestamp", "yesterday"),
    "a time below none": with_header(arrived(HELLO), "plateau-timestamp", "-1"),
    "a time without end": with_header(arrived(HELLO), "plateau-timestamp", "9" * 5000),
    "digits of another script": with_header(arrived(HELLO), "plateau-timestamp", "١٨٠٠٠٠٠٠٠٠"),
    "another secret": arrived(HELLO, secret=OTHER),
    "older than five minutes": arrived(HELLO, moment=NOW - 301),
    "more than five minutes ahead": arrived(HELLO, moment=NOW + 301),
    "an old one under a new time": with_header(arrived(HELLO, moment=NOW - 400), "plateau-timestamp", str(int(NOW))),
    "the body changed": with_body(arrived(HELLO), b"well", b"ill!"),
    "the patient changed": with_body(arrived(HELLO), b"4711", b"4712"),
    "signed without the time": with_header(
        arrived(BODY), "plateau-signature", "v1=" + _proof.hexed(WEBHOOK_SECRET, BODY)
    ),
    "the right one behind too many": with_header(arrived(BODY), "plateau-signature", f"v1={'0' * 64}," * 8 + TWO),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_request_is_refused(name: str) -> None:
    with pytest.raises(Forged):
        platform().arrived(FORGED[name])


def test_the_signature_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    own = _proof.hmac.compare_digest
    monkeypatch.setattr(_proof.hmac, "compare_digest", lambda a, b: compared.append(1) or own(a, b))
    platform("http://127.0.0.1:9", NEW, WEBHOOK_SECRET).arrived(arrived(HELLO))
    assert len(compared) == 2, "with every secret, whichever fits"


@pytest.mark.parametrize(("secret", "taken"), [(NEW, True), (WEBHOOK_SECRET, True), (OTHER, False)])
def test_while_a_secret_is_replaced_both_are_taken(secret: str, taken: bool) -> None:
    both = platform("http://127.0.0.1:9", NEW, WEBHOOK_SECRET)
    if taken:
        assert both.arrived(arrived(HELLO, secret=secret))
    else:
        with pytest.raises(Forged):
            both.arrived(arrived(HELLO, secret=secret))


# ---------------------------------------------------------------- what is read


READ: dict[str, tuple[dict[str, Any], Arrived]] = {
    "words": ({"text": "¡Hola! 7"}, Arrived("p", "1", Said(text="¡Hola! 7"))),
    "nothing that can be read": ({"text": ""}, Arrived("p", "1", Said(text=""))),
    "a tap": ({"tap": "a:1:yes"}, Arrived("p", "1", Said(tap="a:1:yes"))),
    "with an order": ({"text": "7", "order": 12}, Arrived("p", "1", Said(text="7"), order=12)),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_read(name: str) -> None:
    fields, right = READ[name]
    assert list(platform().arrived(arrived({"from": "p", "id": "1", **fields}))) == [right]


BROKEN: dict[str, Any] = {
    "no JSON": b"{",
    "no object": b"[]",
    "no UTF-8": b'{"from": "\xff"}',
    "nobody": {"id": "1", "text": "x"},
    "an empty name": {"from": " ", "id": "1", "text": "x"},
    "a long name": {"from": "p" * 129, "id": "1", "text": "x"},
    "a name with a line": {"from": "p\nq", "id": "1", "text": "x"},
    "a number for a name": {"from": 4711, "id": "1", "text": "x"},
    "no id": {"from": "p", "text": "x"},
    "a long id": {"from": "p", "id": "1" * 129, "text": "x"},
    "neither text nor tap": {"from": "p", "id": "1"},
    "both text and tap": {"from": "p", "id": "1", "text": "x", "tap": "y"},
    "text and no tap": {"from": "p", "id": "1", "text": "x", "tap": None},
    "a number as text": {"from": "p", "id": "1", "text": 7},
    "a command": {"from": "p", "id": "1", "command": "restart"},
    "answers": {"from": "p", "id": "1", "text": "x", "answers": {"pain_now": 3}},
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_told_without_repeating_it(name: str) -> None:
    with pytest.raises(Broken, match="; allowed: ") as raised:
        platform().arrived(arrived(BROKEN[name]))
    assert "pain_now" not in str(raised.value) and "4711" not in str(raised.value)


# ---------------------------------------------------------------- what is sent


async def test_a_turn_goes_out_signed(app: Webhook, server: Receiver) -> None:
    await app.send("patient-4711", TURN)
    assert server.taken == [{**TURN, "to": "patient-4711"}]
    assert server.violations == []


async def test_the_same_message_again_has_the_same_id(app: Webhook, server: Receiver) -> None:
    server.fail(Fault.taken_and_dropped)
    with pytest.raises(Unreachable):
        await app.send("patient-4711", TURN)
    await app.send("patient-4711", TURN)
    assert len(server.calls) == 2 and len(server.taken) == 1, "so the app takes it once"


async def test_a_turn_without_an_id_has_that_of_its_content(app: Webhook, server: Receiver) -> None:
    turns = [("patient-1", 1), ("patient-1", 2), ("patient-2", 1)]
    for address, number in [*turns, *turns]:
        await app.send(address, {"turn": {"number": number}})
    assert [(one["to"], one["turn"]["number"]) for one in server.taken] == turns


async def test_while_a_secret_is_replaced_each_signs(server: Receiver) -> None:
    both = Webhook(url=server.url, secrets=(NEW, WEBHOOK_SECRET))
    await both.send("patient-4711", TURN)
    await both.close()
    assert server.violations == []
    assert server.calls[0].headers["plateau-signature"].count("v1=") == 2


async def test_the_recipe_of_the_docs_takes_what_is_sent_and_nothing_else(app: Webhook, server: Receiver) -> None:
    recipe: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", RECIPE.read_text("utf-8"), re.DOTALL)
    (code,) = [block for block in blocks if "def genuine" in block]
    exec(code, recipe)  # noqa: S102 - our own page
    await app.send("patient-4711", TURN)
    (call,) = server.calls
    sent = {name: call.headers[name.lower()] for name in ("Plateau-Timestamp", "Plateau-Signature")}
    old = {**sent, "Plateau-Timestamp": str(int(time.time()) - 301)}
    assert recipe["genuine"](WEBHOOK_SECRET, sent, call.body)
    assert not recipe["genuine"](OTHER, sent, call.body)
    assert not recipe["genuine"](WEBHOOK_SECRET, sent, call.body + b" ")
    assert not recipe["genuine"](WEBHOOK_SECRET, old, call.body)


async def test_a_redrawn_message_is_a_new_one(app: Webhook, server: Receiver) -> None:
    await app.redraw("patient-4711", Edit("1", "2"), None)
    await app.redraw("patient-4711", Edit("1", "2"), TURN)
    assert len(server.taken) == 1


ANSWERS: dict[str, tuple[Any, type[Exception] | None, float | None]] = {
    "200": (Fault.status(200), None, None),
    "202": (Fault.status(202), None, None),
    "204": (Fault.status(204), None, None),
    "301": (Fault.status(301, "", Location="/again"), Unreachable, None),
    "307": (Fault.status(307, "", Location="/again"), Unreachable, None),
    "400": (Fault.status(400), Refused, None),
    "401": (Fault.status(401), Refused, None),
    "404": (Fault.status(404), Refused, None),
    "408": (Fault.status(408), Unreachable, None),
    "410": (Fault.status(410), Refused, None),
    "422": (Fault.status(422), Refused, None),
    "425": (Fault.status(425), Unreachable, None),
    "429": (Fault.status(429, "", Retry_After="12"), Unreachable, 12.0),
    "429 with a date": (Fault.status(429, "", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"), Unreachable, 0.0),
    "429 with nonsense": (Fault.status(429, "", Retry_After="soon"), Unreachable, None),
    "429 for years": (Fault.status(429, "", Retry_After="999999999"), Unreachable, 86_400.0),
    "500": (Fault.status(500), Unreachable, None),
    "503": (Fault.status(503, "", Retry_After="5"), Unreachable, 5.0),
    "no answer": (Fault.silent, Unreachable, None),
    "dropped": (Fault.dropped, Unreachable, None),
    "an endless answer": (Fault.status(200, "x" * 2_000_000), None, None),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_what_becomes_of_an_answer(app: Webhook, server: Receiver, name: str) -> None:
    fault, error, seconds = ANSWERS[name]
    server.fail(fault)
    wait(app, fault)
    if error is None:
        await app.send("patient-4711", TURN)
    else:
        with pytest.raises(error) as raised:
            await app.send("patient-4711", TURN)
        assert getattr(raised.value, "seconds", None) == seconds
    assert len(server.calls) == 1, "no redirect is followed, and nothing tried again here"


@pytest.mark.parametrize("url", ["http://portal.clinic.example", "ftp://127.0.0.1", "http://127.0.0.1.evil.example/x"])
def test_only_what_is_encrypted_or_this_machine_is_posted_to(url: str) -> None:
    with pytest.raises(SettingError, match=r"^channels\.webhook\.url: is not encrypted; allowed: "):
        platform(url)


async def test_no_address_word_or_secret_is_logged(
    app: Webhook, server: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    faults = (Fault.status(400, "patient-4711"), Fault.silent)
    told = []
    for fault in faults:
        server.fail(fault)
        wait(app, fault)
        with pytest.raises((Refused, Unreachable)) as raised:
            await app.send("patient-4711", {"id": "1", "turn": "my secret"})
        told.append(f"{raised.value!r} {raised.value.__cause__!r}")
    everything = f"{caplog.text} {told} {app!r}"
    assert not [secret for secret in ("patient-4711", "my secret", WEBHOOK_SECRET) if secret in everything]


def test_a_header_of_no_ascii_is_no_error(app: Webhook) -> None:
    with pytest.raises(Forged):
        platform().arrived(
            replace(arrived(HELLO), headers={"plateau-timestamp": "\udcff", "plateau-signature": "\udcff"})
        )
