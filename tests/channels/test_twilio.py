"""Text messages and WhatsApp through Twilio: what is believed, what is read, what is sent, what becomes of errors."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import inbound
import pytest
import pytest_asyncio
from inbound import ACCOUNT, NUMBER, PATIENT, PUBLIC_URL, SERVICE, TWILIO_TOKEN, twilio, with_body, with_header, without
from standins import Fault, Text, TwilioServer, twilio_error, wait
from twilio import request_validator

from plateau.channels import Said
from plateau.server.platforms import Broken, Edit, Forged, Received, Refused, Unreachable
from plateau.server.platforms._twilio import Twilio

CHANNELS = ("sms", "whatsapp")
ADDRESS = {"sms": PATIENT, "whatsapp": f"whatsapp:{PATIENT}"}
FROM = {"sms": NUMBER, "whatsapp": f"whatsapp:{NUMBER}"}
QUICK = "HX" + "a" * 32
TYPES = {
    "twilio/quick-reply": {
        "body": "{{1}}",
        "actions": [{"title": "{{2}}", "id": "{{3}}"}, {"title": "{{4}}", "id": "{{5}}"}],
    }
}
VARIABLES = {"1": "Do you want to go on?", "2": "Yes", "3": "a:1:yes", "4": "No", "5": "a:1:no"}


def platform(name: str = "sms", api: str = "http://127.0.0.1:9", **more: Any) -> Twilio:
    given = {"sender": NUMBER, "account": ACCOUNT, "token": TWILIO_TOKEN, "public_url": PUBLIC_URL, "api": api}
    return Twilio(name, **{**given, **more})


@pytest.fixture
def server() -> Iterator[TwilioServer]:
    with TwilioServer(ACCOUNT, TWILIO_TOKEN, (NUMBER, f"whatsapp:{NUMBER}", SERVICE)) as server:
        server.contents[QUICK] = {"types": TYPES}
        yield server


# In the loop of the test, to which the connections belong.
@pytest_asyncio.fixture(loop_scope="function")
async def sms(server: TwilioServer) -> AsyncIterator[Twilio]:
    made = platform("sms", server.url)
    yield made
    await made.close()


# In the loop of the test, to which the connections belong.
@pytest_asyncio.fixture(loop_scope="function")
async def whatsapp(server: TwilioServer) -> AsyncIterator[Twilio]:
    made = platform("whatsapp", server.url, templates={"buttons_2": QUICK})
    yield made
    await made.close()


# ---------------------------------------------------------------- what is believed


GENUINE: dict[str, Received] = {
    "a text message": twilio("sms"),
    "with a query": twilio("sms", query="clinic=1&x=%2F"),
    "with empty values": twilio("sms", Body="", FromCity=""),
    "with a value twice": twilio("sms", [*inbound.twilio_form("sms").items(), ("Body", "and again")]),
    "with the same twice": twilio("sms", [*inbound.twilio_form("sms").items(), ("ToCountry", "US")]),
    "with what is new": twilio("sms", NewParameter="of next year"),
    "signed with the port": twilio("sms", url=f"{PUBLIC_URL}:443"),
    "under another host": twilio("sms", host="10.0.0.7:8080"),
}


@pytest.mark.parametrize("name", GENUINE)
def test_a_genuine_request_is_taken(name: str) -> None:
    assert len(platform().arrived(GENUINE[name])) == 1


FORGED: dict[str, Received] = {
    "no signature": without(twilio("sms"), "x-twilio-signature"),
    "an empty signature": with_header(twilio("sms"), "x-twilio-signature", ""),
    "no base64": with_header(twilio("sms"), "x-twilio-signature", "☃"),
    "another secret": twilio("sms", token="another-token-0123456789"),
    "another clinic's address": twilio("sms", url="https://other.example"),
    "http instead of https": twilio("sms", url="http://chat.clinic.example"),
    "what Host says": twilio("sms", url="https://evil.example", host="evil.example"),
    "the body changed": with_body(twilio("sms", Body="I am well"), b"well", b"ill!"),
    "a number changed": with_body(twilio("sms"), b"%2B15005550006", b"%2B15005550009"),
    "a value added": with_body(twilio("sms"), b"&ApiVersion", b"&OptOutType=STOP&ApiVersion"),
    "a value taken away": with_body(twilio("sms"), b"&NumSegments=1", b""),
    "an empty value taken away": with_body(twilio("sms"), b"&ToState=", b""),
    "the query changed": replace(twilio("sms", query="clinic=1"), query="clinic=2"),
    "sent to the other channel": replace(twilio("sms"), path="/channels/whatsapp"),
    "no body": replace(twilio("sms"), body=b""),
    "no UTF-8": replace(twilio("sms"), body=b"\xff\xfe=%ff"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_request_is_refused(name: str) -> None:
    with pytest.raises(Forged):
        platform().arrived(FORGED[name])


def test_signatures_are_compared_by_twilios_own_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    own = request_validator.compare
    monkeypatch.setattr(request_validator, "compare", lambda a, b: compared.append(a) or own(a, b))
    platform().arrived(twilio("sms"))
    assert compared, "which looks at every character, whatever the first ones are"


NOT_THE_CLINICS: dict[str, tuple[str, dict[str, str]]] = {
    "to another number": ("sms", {"To": "+15550199"}),
    "to WhatsApp": ("sms", {"To": f"whatsapp:{NUMBER}"}),
    "from WhatsApp": ("sms", {"From": f"whatsapp:{PATIENT}"}),
    "from a name": ("sms", {"From": "AMAZON"}),
    "from a short code": ("sms", {"From": "72645"}),
    "to a text number": ("whatsapp", {"To": NUMBER}),
    "from a text number": ("whatsapp", {"From": PATIENT}),
    "without an id": ("sms", {"MessageSid": ""}),
    "with an id of something else": ("sms", {"MessageSid": "CA" + "0" * 32}),
}


@pytest.mark.parametrize("name", NOT_THE_CLINICS)
def test_what_is_signed_but_not_for_this_channel_is_broken(name: str) -> None:
    channel, fields = NOT_THE_CLINICS[name]
    with pytest.raises(Broken, match="allowed:") as raised:
        platform(channel).arrived(twilio(channel, **fields))
    assert PATIENT not in str(raised.value)


@pytest.mark.parametrize(
    ("channel", "fields", "taken"),
    [
        ("sms", {"MessagingServiceSid": SERVICE, "To": "+15550142"}, True),
        ("sms", {"MessagingServiceSid": "MG" + "0" * 32}, False),
        ("sms", {}, False),
        ("sms", {"MessagingServiceSid": SERVICE, "To": f"whatsapp:{NUMBER}"}, False),
    ],
)
def test_a_messaging_service_is_known_by_its_id(channel: str, fields: dict[str, str], taken: bool) -> None:
    service = platform(channel, sender=SERVICE)
    if taken:
        assert service.arrived(twilio(channel, **fields))
    else:
        with pytest.raises(Broken, match="To is not the clinic's"):
            service.arrived(twilio(channel, **fields))


# ---------------------------------------------------------------- what is read


SAID: dict[str, tuple[str, dict[str, str], Said]] = {
    "words": ("sms", {"Body": "about a 7"}, Said(text="about a 7")),
    "Spanish": ("sms", {"Body": "¡Hola! ¿Cómo está? señor"}, Said(text="¡Hola! ¿Cómo está? señor")),
    "spaces and lines": ("sms", {"Body": "  one\ntwo & three=3 + 4%  "}, Said(text="  one\ntwo & three=3 + 4%  ")),
    "an emoji": ("sms", {"Body": "👍🏽"}, Said(text="👍🏽")),
    "a picture alone": ("sms", {"Body": "", "NumMedia": "1", "MediaUrl0": "https://x"}, Said(text="")),
    "a picture with words": ("sms", {"Body": "look", "NumMedia": "1", "MediaUrl0": "https://x"}, Said(text="look")),
    "on WhatsApp": ("whatsapp", {"Body": "hola"}, Said(text="hola")),
    "a place": ("whatsapp", {"Body": "", "Latitude": "1.5", "Longitude": "2.5"}, Said(text="")),
    "a voice message": ("whatsapp", {"Body": "", "NumMedia": "1", "MediaContentType0": "audio/ogg"}, Said(text="")),
    "a button": (
        "whatsapp",
        {"Body": "Yes", "ButtonText": "Yes", "ButtonPayload": "a:1:yes", "MessageType": "button"},
        Said(tap="a:1:yes"),
    ),
    "a button without data": ("whatsapp", {"Body": "Yes", "ButtonText": "Yes", "ButtonPayload": ""}, Said(text="Yes")),
    "a row of a list": (
        "whatsapp",
        {"Body": "Knee", "ListId": "a:1:knee", "ListTitle": "Knee", "MessageType": "interactive"},
        Said(tap="a:1:knee"),
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_what_the_patient_said_is_read(name: str) -> None:
    channel, fields, said = SAID[name]
    (arrived,) = platform(channel).arrived(twilio(channel, MessageSid="SM" + "1" * 32, **fields))
    assert arrived.said == said
    assert (arrived.address, arrived.id) == (ADDRESS[channel], "SM" + "1" * 32)
    assert (arrived.order, arrived.edit, arrived.carrier) == (None, None, None)


@pytest.mark.parametrize(("told", "carrier"), [("STOP", "stop"), ("START", "start"), ("HELP", "help"), ("", None)])
def test_what_twilio_did_about_a_reserved_word_is_passed_on(told: str, carrier: str | None) -> None:
    more = {"OptOutType": told} if told else {}
    (arrived,) = platform().arrived(twilio("sms", Body="stop", **more))
    assert (arrived.carrier, arrived.said) == (carrier, Said(text="stop"))


def test_who_hides_their_number_on_whatsapp_has_an_address() -> None:
    (arrived,) = platform("whatsapp").arrived(twilio("whatsapp", From="whatsapp:US.13491208655302741918"))
    assert arrived.address == "whatsapp:US.13491208655302741918"


@pytest.mark.parametrize("status", ["queued", "sent", "delivered", "read", "undelivered", "failed"])
def test_a_status_callback_is_no_message(status: str, caplog: pytest.LogCaptureFixture) -> None:
    form = {
        "SmsSid": "SM" + "2" * 32, "SmsStatus": status, "MessageStatus": status, "To": PATIENT, "From": NUMBER,
        "MessageSid": "SM" + "2" * 32, "AccountSid": ACCOUNT, "ApiVersion": "2010-04-01", "ErrorCode": "30005",
    }  # fmt: skip
    assert platform().arrived(twilio("sms", form)) == ()
    failed = status in ("undelivered", "failed")
    assert ("30005" in caplog.text) == failed
    assert PATIENT not in caplog.text


def test_twilio_checks_no_address() -> None:
    assert platform().greeting(Received("GET", "/channels/sms", "", {}, b"")) is None


# ---------------------------------------------------------------- what is sent


async def test_a_text_goes_out_from_the_clinics_number(sms: Twilio, server: TwilioServer) -> None:
    await sms.send(PATIENT, {"body": "¿Cómo está? + & = 100 %"})
    assert server.taken == [Text(PATIENT, NUMBER, "¿Cómo está? + & = 100 %")]
    assert server.violations == []


async def test_whatsapp_goes_out_from_the_clinics_number_there(whatsapp: Twilio, server: TwilioServer) -> None:
    await whatsapp.send(ADDRESS["whatsapp"], {"body": "hello"})
    assert server.taken == [Text(ADDRESS["whatsapp"], FROM["whatsapp"], "hello")]


async def test_a_messaging_service_sends(server: TwilioServer) -> None:
    service = platform("sms", server.url, sender=SERVICE)
    await service.send(PATIENT, {"body": "hello"})
    await service.close()
    assert server.taken == [Text(PATIENT, SERVICE, "hello")]


@pytest.mark.parametrize("template", ["buttons_2", QUICK])
async def test_a_template_goes_out_instead_of_the_text(whatsapp: Twilio, server: TwilioServer, template: str) -> None:
    message = {"template": template, "variables": VARIABLES, "body": "Do you want to go on? 1 Yes 2 No"}
    await whatsapp.send(ADDRESS["whatsapp"], message)
    shown = {"a:1:yes": "Yes", "a:1:no": "No"}
    assert server.taken == [Text(ADDRESS["whatsapp"], FROM["whatsapp"], "Do you want to go on?", shown)]
    assert server.violations == []


@pytest.mark.parametrize(
    ("why", "template", "variables"),
    [
        ("unknown to the clinic", "list_7", VARIABLES),
        ("unknown to Twilio", "HX" + "b" * 32, VARIABLES),
        ("with a variable that is too long", "buttons_2", {**VARIABLES, "1": "x" * 256}),
        ("with an empty variable", "buttons_2", {**VARIABLES, "2": ""}),
    ],
)
async def test_a_template_that_cannot_be_used_gives_way_to_the_text(
    whatsapp: Twilio, server: TwilioServer, why: str, template: str, variables: dict[str, str]
) -> None:
    await whatsapp.send(ADDRESS["whatsapp"], {"template": template, "variables": variables, "body": "1 Yes 2 No"})
    assert [text.text for text in server.taken] == ["1 Yes 2 No"], why
    assert server.violations == []


async def test_a_redrawn_message_is_a_new_one(sms: Twilio, server: TwilioServer) -> None:
    await sms.redraw(PATIENT, Edit("1", "2"), None)
    await sms.redraw(PATIENT, Edit("1", "2"), {"body": "again"})
    assert [text.text for text in server.taken] == ["again"]


# ---------------------------------------------------------------- what becomes of errors


REFUSED = {"21610": "opted out", "21211": "no phone number", "21614": "no text messages", "63016": "24 hours",
           "63024": "no WhatsApp number", "21617": "too long", "21635": "landline", "30006": "refused"}  # fmt: skip


@pytest.mark.parametrize("code", REFUSED)
async def test_what_will_never_be_taken_is_refused(sms: Twilio, server: TwilioServer, code: str) -> None:
    server.fail(twilio_error(400, int(code), f"no: {PATIENT}"))
    with pytest.raises(Refused, match=REFUSED[code]) as raised:
        await sms.send(PATIENT, {"body": "hello"})
    assert code in str(raised.value)
    assert PATIENT not in f"{raised.value!r} {raised.value.__cause__!r}"


LATER: dict[str, tuple[Any, float | None]] = {
    "too many requests": (Fault.status(429, {"code": 20429, "status": 429}, Retry_After="17"), 17.0),
    "too many requests, without saying when": (twilio_error(429, 20429, "Too Many Requests"), None),
    "queue is full": (twilio_error(400, 21611, "This From number has exceeded the maximum"), None),
    "Twilio is broken": (Fault.status(500, "<html>"), None),
    "Twilio is away": (Fault.status(503, "", Retry_After="3"), 3.0),
    "a proxy's page": (Fault.status(200, "<html>sign in</html>"), None),
    "an empty answer": (Fault.status(201, ""), None),
    "a redirect": (Fault.status(302, "", Location="/again"), None),
    "no answer": (Fault.silent, None),
    "dropped": (Fault.dropped, None),
    "taken and dropped": (Fault.taken_and_dropped, None),
    "wrong credentials": (twilio_error(401, 20003, "Authenticate"), None),
    "account suspended": (twilio_error(403, 20005, "Account not active"), None),
    "no number of the clinic's": (twilio_error(400, 21606, f"The From phone number {NUMBER} is not valid"), None),
    "country not allowed": (twilio_error(400, 21408, "Permission to send has not been enabled"), None),
}


@pytest.mark.parametrize("name", LATER)
async def test_what_may_work_later_is_unreachable(sms: Twilio, server: TwilioServer, name: str) -> None:
    fault, seconds = LATER[name]
    server.fail(fault)
    wait(sms, fault)
    with pytest.raises(Unreachable) as raised:
        await sms.send(PATIENT, {"body": "hello"})
    assert raised.value.seconds == seconds
    wait(sms, None)
    await sms.send(PATIENT, {"body": "later"})
    assert server.taken[-1].text == "later", "the next one goes out"


async def test_nothing_listens(sms: Twilio) -> None:
    closed = platform("sms", "http://127.0.0.1:9")
    with pytest.raises(Unreachable, match="sms: no answer"):
        await closed.send(PATIENT, {"body": "hello"})
    await closed.close()


@pytest.mark.parametrize(
    "fault", [twilio_error(401, 20003, "Authenticate"), twilio_error(400, 21610, PATIENT), Fault.silent]
)
async def test_no_address_word_or_secret_is_logged(
    sms: Twilio, server: TwilioServer, caplog: pytest.LogCaptureFixture, fault: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    server.fail(fault)
    wait(sms, fault)
    with pytest.raises((Refused, Unreachable)) as raised:
        await sms.send(PATIENT, {"body": "my secret pain"})
    told = f"{caplog.text} {raised.value!r} {sms!r} {sms.__dict__!r}"
    assert not [secret for secret in (PATIENT, "secret pain") if secret in told]
    assert TWILIO_TOKEN not in f"{caplog.text} {raised.value!r} {sms!r}"


async def test_a_wrong_credential_is_told_as_the_clinics(
    sms: Twilio, server: TwilioServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.token = "changed-at-twilio-0123456789"
    with pytest.raises(Unreachable, match="the clinic's settings at Twilio are wrong"):
        await sms.send(PATIENT, {"body": "hello"})
    assert "20003" in caplog.text
