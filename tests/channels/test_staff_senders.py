"""What reaches the clinic's staff: e-mail, signed webhook, Slack, FHIR; what becomes of errors; what is never told."""

from __future__ import annotations

import base64
import json
import logging
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from standins import Fault, FhirServer, MailServer, Receiver, SlackServer, certificate, wait

from plateau.content import Clinic, SettingError, catalog
from plateau.report import bundle
from plateau.server._settings import Settings
from plateau.server.platforms import Refused, Unreachable
from plateau.server.staff import Sender, senders
from plateau.server.staff._email import Email
from plateau.server.staff._fhir import Fhir, transaction
from plateau.server.staff._post import Post
from plateau.server.staff._slack import Slack

# The mail server of the tests says that a login without TLS is no good idea; on this machine it is none.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")

ROOT = Path(__file__).parents[2]
FROM, DESK, LEAD = "plateau@clinic.example", "desk@clinic.example", "lead@clinic.example"
PDF = {"name": "summary é.pdf", "type": "application/pdf", "bytes": b"%PDF-1.7\x00\xff"}
WORDS = {"subject": "A patient asks for a person", "text": "¿Qué tal?\nMy secret pain.", "notice": "Someone waits."}
LETTER: dict[str, Any] = {**WORDS, "attachments": [PDF]}
SECRET = "staff-secret-0123456789-0123456789"
TOKEN = "fhir-token-0123456789"
RECORD: dict[str, Any] = {
    "for_whom": "self", "body_region": "knee", "pain_now": 5, "progress": "same", "goal": "hike again",
    "activities": [{"activity": "stairs", "score": 4}, {"activity": "run", "score": 2}],
    "red_flags": [{"id": "dvt", "tier": "same_day", "state": "checked"}],
}  # fmt: skip


def exported(visit: str = "visit-1", patient: str = "patient|1 é") -> dict[str, Any]:
    at = datetime(2026, 11, 28, 9, tzinfo=UTC)
    return bundle(RECORD, id=patient, at=at, words=catalog(), visit_id=visit, previous={"pain_now": 7})


# ---------------------------------------------------------------- e-mail


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return certificate(tmp_path_factory.mktemp("tls"))


def email(server: MailServer, scheme: str = "smtp", context: ssl.SSLContext | None = None, **more: Any) -> Email:
    user, password = MailServer.USER.replace("@", "%40"), more.pop("password", MailServer.PASSWORD)
    host = more.pop("host", "localhost")
    url = f"{scheme}://{user}:{password}@{host}:{server.port}"
    return Email(url, FROM, more.pop("readers", (DESK, LEAD)), context)


WAYS = [("starttls", "smtp", True), ("implicit", "smtps", True), (None, "smtp", False)]


@pytest.mark.parametrize(("way", "scheme", "encrypted"), WAYS)
async def test_a_letter_arrives_whole(tls: Any, way: str | None, scheme: str, encrypted: bool) -> None:
    with MailServer(way, tls[0]) as server:
        await email(server, scheme, tls[1]).send("alert-1", LETTER)
    ((readers, message),) = server.taken
    assert server.encrypted == [encrypted]
    assert readers == [DESK, LEAD]
    assert (message["From"], message["To"], message["Subject"]) == (FROM, f"{DESK}, {LEAD}", LETTER["subject"])
    body = message.get_body()
    assert body is not None and body.get_content().splitlines() == LETTER["text"].splitlines()
    (attached,) = message.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type()) == (PDF["name"], PDF["type"])
    assert attached.get_content() == PDF["bytes"]
    assert message["Auto-Submitted"] == "auto-generated"


async def test_the_same_key_is_the_same_message_id(tls: Any) -> None:
    with MailServer("starttls", tls[0]) as server:
        for key in ("alert-1", "alert-1", "alert-2"):
            await email(server, context=tls[1]).send(key, LETTER)
    ids = [message["Message-ID"] for _, message in server.taken]
    assert ids[0] == ids[1] != ids[2]
    assert "alert" not in ids[0] and ids[0].endswith("@clinic.example>")


async def test_a_subject_cannot_add_a_header(tls: Any) -> None:
    with MailServer("starttls", tls[0]) as server:
        await email(server, context=tls[1]).send("1", {**LETTER, "subject": "Hello\r\nBcc: evil@example.com"})
    ((readers, message),) = server.taken
    assert message["Bcc"] is None and readers == [DESK, LEAD]


MAIL: dict[str, tuple[dict[str, str], type[Exception], str]] = {
    "no such reader": ({"RCPT": "550 5.1.1 no such user"}, Refused, "no reader is taken (550)"),
    "a mailbox that is full": ({"RCPT": "452 4.2.2 full"}, Unreachable, "no reader is taken (452)"),
    "one gone, one full": ({DESK: "550 gone", LEAD: "452 full"}, Unreachable, "no reader is taken (452)"),
    "greylisted": ({"MAIL": "451 4.7.1 come back"}, Unreachable, "asks to wait (451)"),
    "a sender that may not": ({"MAIL": "550 5.7.1 not you"}, Unreachable, "the clinic's settings are not taken (550)"),
    "too large": ({"DATA": "552 5.3.4 too big"}, Refused, "the letter is not taken (552)"),
    "a full disk": ({"DATA": "452 4.3.1 no space"}, Unreachable, "the letter is not taken (452)"),
}


@pytest.mark.parametrize("name", MAIL)
async def test_what_becomes_of_what_a_mail_server_says(tls: Any, name: str) -> None:
    refuse, error, why = MAIL[name]
    with MailServer("starttls", tls[0]) as server:
        server.refuse = refuse
        with pytest.raises(error) as raised:
            await email(server, context=tls[1]).send("1", LETTER)
        assert why in str(raised.value)
        assert server.taken == []


async def test_one_reader_who_is_gone_keeps_it_from_nobody_else(tls: Any, caplog: pytest.LogCaptureFixture) -> None:
    with MailServer("starttls", tls[0]) as server:
        server.refuse = {LEAD: "550 gone"}
        await email(server, context=tls[1]).send("1", LETTER)
    assert [readers for readers, _ in server.taken] == [[DESK]]
    # The mail server of the test has a log of its own.
    told = " ".join(record.getMessage() for record in caplog.records if record.name.startswith("plateau"))
    assert "1 of 2 readers" in told and LEAD not in told


async def test_a_certificate_that_nobody_vouches_for_gets_no_letter(tls: Any) -> None:
    for way, scheme in (("starttls", "smtp"), ("implicit", "smtps")):
        with MailServer(way, tls[0]) as server:
            with pytest.raises(Unreachable, match=r"SSLCertVerificationError"):
                await email(server, scheme).send("1", LETTER)
            assert server.taken == []


async def test_a_server_elsewhere_without_encryption_gets_no_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plateau.server.staff._email.LOCAL", ())
    with MailServer(None) as server:
        with pytest.raises(Unreachable, match="SMTPNotSupportedError"):
            await email(server).send("1", LETTER)
        assert server.taken == []


async def test_a_wrong_password_is_told_as_the_clinics(tls: Any, caplog: pytest.LogCaptureFixture) -> None:
    with MailServer("starttls", tls[0]) as server, pytest.raises(Unreachable, match=r"settings are not taken \(535\)"):
        await email(server, context=tls[1], password="another-password").send("1", LETTER)
    assert "535" in caplog.text


async def test_nothing_listens() -> None:
    with pytest.raises(Unreachable, match="no session with the mail server"):
        await Email("smtp://127.0.0.1:9", FROM, (DESK,)).send("1", LETTER)


# ---------------------------------------------------------------- the signed webhook


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(SECRET) as server:
        yield server


# In the loop of the test, to which the connections belong.
@pytest_asyncio.fixture(loop_scope="function")
async def post(receiver: Receiver) -> AsyncIterator[Post]:
    made = Post(receiver.url, (SECRET,))
    yield made
    await made.close()


async def test_a_letter_is_posted_signed_and_once(post: Post, receiver: Receiver) -> None:
    receiver.fail(Fault.taken_and_dropped)
    with pytest.raises(Unreachable):
        await post.send("alert-1", LETTER)
    await post.send("alert-1", LETTER)
    (taken,) = receiver.taken
    attached = {"name": PDF["name"], "type": PDF["type"], "base64": base64.b64encode(PDF["bytes"]).decode()}
    assert taken == {**LETTER, "id": "alert-1", "attachments": [attached]}
    assert [call.headers["idempotency-key"] for call in receiver.calls] == ["alert-1", "alert-1"]
    assert receiver.violations == []


POSTED: dict[int, type[Exception] | None] = {
    **dict.fromkeys((200, 202, 204)),
    **dict.fromkeys((400, 410, 413, 415, 422), Refused),
    **dict.fromkeys((301, 401, 403, 404, 408, 409, 429, 500, 503), Unreachable),
}


@pytest.mark.parametrize("status", POSTED)
async def test_what_becomes_of_an_answer_to_a_post(post: Post, receiver: Receiver, status: int) -> None:
    receiver.fail(Fault.status(status, "", Location="/again"))
    if (error := POSTED[status]) is None:
        await post.send("1", LETTER)
    else:
        with pytest.raises(error, match=f"answered {status}"):
            await post.send("1", LETTER)
    assert len(receiver.calls) == 1


# ---------------------------------------------------------------- Slack


@pytest.fixture
def slack_server() -> Iterator[SlackServer]:
    with SlackServer() as server:
        yield server


async def test_slack_gets_the_notice_and_nothing_else(slack_server: SlackServer) -> None:
    await Slack(slack_server.hook).send(
        "1", {**LETTER, "notice": "<!channel> one waits & <https://evil.example|click>"}
    )
    assert slack_server.taken == ["&lt;!channel&gt; one waits &amp; &lt;https://evil.example|click&gt;"]
    assert slack_server.violations == []
    assert not [word for word in ("secret pain", "asks for a person") if word in slack_server.calls[0].body.decode()]


async def test_a_letter_without_a_notice_is_not_sent_to_slack(slack_server: SlackServer) -> None:
    with pytest.raises(KeyError):
        await Slack(slack_server.hook).send("1", {"subject": "x", "text": "y"})
    assert slack_server.calls == []


SLACK: dict[str, tuple[Any, type[Exception], float | None]] = {
    "what is none": (Fault.status(400, "invalid_payload"), Refused, None),
    "a hook that was withdrawn": (Fault.status(403, "invalid_token"), Unreachable, None),
    "a hook that is unknown": (Fault.status(404, "no_service"), Unreachable, None),
    "a channel that is closed": (Fault.status(410, "channel_is_archived"), Unreachable, None),
    "too many": (Fault.status(429, "rate_limited", Retry_After="30"), Unreachable, 30.0),
    "broken": (Fault.status(500, "rollup_error"), Unreachable, None),
    "dropped": (Fault.dropped, Unreachable, None),
    "no answer": (Fault.silent, Unreachable, None),
}


@pytest.mark.parametrize("name", SLACK)
async def test_what_becomes_of_what_slack_says(slack_server: SlackServer, name: str) -> None:
    fault, error, seconds = SLACK[name]
    slack_server.fail(fault)
    with pytest.raises(error) as raised:
        await Slack(slack_server.hook, seconds=1 if fault == Fault.silent else 20).send("1", LETTER)
    assert getattr(raised.value, "seconds", None) == seconds
    assert len(slack_server.calls) == 1, "trying again is the outbox's"


# ---------------------------------------------------------------- FHIR


@pytest.fixture
def fhir_server() -> Iterator[FhirServer]:
    with FhirServer(TOKEN) as server:
        yield server


# In the loop of the test, to which the connections belong.
@pytest_asyncio.fixture(loop_scope="function")
async def fhir(fhir_server: FhirServer) -> AsyncIterator[Fhir]:
    made = Fhir(f"{fhir_server.url}/fhir/", TOKEN)
    yield made
    await made.close()


SHARED = {"CodeSystem": 1, "Questionnaire": 1, "Patient": 1}


def kinds(server: FhirServer) -> dict[str, int]:
    names = [found.partition("?")[0] for found in server.stored]
    return {name: names.count(name) for name in names}


async def test_a_re_evaluation_is_created_once(fhir: Fhir, fhir_server: FhirServer) -> None:
    fhir_server.fail(Fault.taken_and_dropped)
    with pytest.raises(Unreachable):
        await fhir.send("1", {"bundle": exported()})
    first = dict(fhir_server.stored)
    await fhir.send("1", {"bundle": exported()})
    assert fhir_server.violations == []
    assert fhir_server.stored == first and len(fhir_server.taken) == 2
    assert kinds(fhir_server) == {
        "CodeSystem": 1,
        "Questionnaire": 1,
        "Patient": 1,
        "QuestionnaireResponse": 1,
        "Observation": 7,
    }


async def test_the_next_visit_adds_its_own_and_keeps_patient_and_form(fhir: Fhir, fhir_server: FhirServer) -> None:
    for visit in ("visit-1", "visit-2"):
        await fhir.send(visit, {"bundle": exported(visit)})
    assert kinds(fhir_server) == {
        "CodeSystem": 1,
        "Questionnaire": 1,
        "Patient": 1,
        "QuestionnaireResponse": 2,
        "Observation": 14,
    }


def test_a_transaction_says_what_the_collection_said() -> None:
    collection = exported()
    made = transaction(collection)
    assert json.dumps(collection) == json.dumps(exported()), "which is left as it was"
    for before, after in zip(collection["entry"], made["entry"], strict=True):
        kept = {name: value for name, value in before["resource"].items() if name != "id"}
        added = set(after["resource"]) - set(kept)
        assert added <= {"identifier"} and {name: after["resource"][name] for name in kept} == kept
        assert after["fullUrl"] == before["fullUrl"]


def test_the_fields_own_library_takes_the_transaction() -> None:
    script = ROOT / "tests" / "report" / "validate_fhir.py"
    line = json.dumps(transaction(exported())) + "\n"
    environment = str(ROOT / ".venv-fhir" / "bin" / "python")
    result = subprocess.run([environment, str(script)], input=line, capture_output=True, text=True, timeout=120)
    assert json.loads(result.stdout) == [], result.stdout + result.stderr


FHIR: dict[str, tuple[Any, type[Exception], float | None]] = {
    "against the rules": (Fault.status(422, {"resourceType": "OperationOutcome"}), Refused, None),
    "no FHIR": (Fault.status(400), Refused, None),
    "found twice": (Fault.status(412), Refused, None),
    "two at once": (Fault.status(409), Unreachable, None),
    "a wrong token": (Fault.status(401), Unreachable, None),
    "not allowed": (Fault.status(403), Unreachable, None),
    "a wrong address": (Fault.status(404), Unreachable, None),
    "a redirect": (Fault.status(302, "", Location="/again"), Unreachable, None),
    "a page to sign in": (Fault.status(200, "<html>"), Unreachable, None),
    "something else": (Fault.status(200, {"resourceType": "OperationOutcome"}), Unreachable, None),
    "too many": (Fault.status(429, "", Retry_After="9"), Unreachable, 9.0),
    "away": (Fault.status(503), Unreachable, None),
    "no answer": (Fault.silent, Unreachable, None),
}


@pytest.mark.parametrize("name", FHIR)
async def test_what_becomes_of_what_a_fhir_server_says(fhir: Fhir, fhir_server: FhirServer, name: str) -> None:
    fault, error, seconds = FHIR[name]
    fhir_server.fail(fault)
    wait(fhir, fault)
    with pytest.raises(error) as raised:
        await fhir.send("1", {"bundle": exported()})
    assert getattr(raised.value, "seconds", None) == seconds
    assert fhir_server.taken == []


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("a collection", lambda made: made.update(type="collection")),
        ("a reference to nothing", lambda made: made["entry"].pop(2)),
        ("an id", lambda made: made["entry"][2]["resource"].update(id="1")),
        ("another identifier", lambda made: made["entry"][2]["request"].update(ifNoneExist="identifier=x|y")),
        ("no condition", lambda made: made["entry"][2]["request"].pop("ifNoneExist")),
        ("the same name twice", lambda made: made["entry"].append(made["entry"][0])),
    ],
)
def test_the_stand_in_refuses_what_a_server_would(
    fhir_server: FhirServer, what: str, change: Callable[[dict[str, Any]], Any]
) -> None:
    made = transaction(exported())
    change(made)
    headers = {"Content-Type": "application/fhir+json", "Authorization": f"Bearer {TOKEN}"}
    request = urllib.request.Request(f"{fhir_server.url}/fhir", json.dumps(made).encode(), headers)  # noqa: S310
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(request, timeout=5)  # noqa: S310
    assert fhir_server.violations, what


# ---------------------------------------------------------------- which there are, and what they never tell


STAFF = {
    "email": [DESK], "email_from": FROM, "webhook": "https://portal.clinic.example/staff", "slack": True,
    "fhir": "https://fhir.clinic.example/r4",
}  # fmt: skip
SETTINGS: dict[str, Any] = {
    "smtp": "smtp://u:p@mail.example", "staff_secrets": (SECRET,), "slack": "https://hooks.example/T/B/X",
    "fhir_token": TOKEN,
}  # fmt: skip
NEEDED = [
    ("email", "smtp", "PLATEAU_SMTP_URL"),
    ("webhook", "staff_secrets", "PLATEAU_STAFF_SECRET"),
    ("slack", "slack", "PLATEAU_SLACK_URL"),
]


def clinic(**staff: Any) -> Clinic:
    return Clinic("Riverside", "+1 555 0100", "us", staff=staff)


def test_what_is_set_up_is_there() -> None:
    made = senders(clinic(**STAFF), Settings(**SETTINGS))
    assert [(name, sender.name) for name, sender in made.items()] == [
        (n, n) for n in ("email", "webhook", "slack", "fhir")
    ]
    assert senders(clinic(), Settings(**SETTINGS)) == {}
    assert senders(clinic(slack=False, email=[]), Settings()) == {}


@pytest.mark.parametrize(("way", "setting", "variable"), NEEDED)
def test_a_missing_secret_of_staff_is_named(way: str, setting: str, variable: str) -> None:
    with pytest.raises(SettingError, match=rf"^staff\.{way} is set, but {variable} is not set; "):
        senders(clinic(**STAFF), Settings(**{name: value for name, value in SETTINGS.items() if name != setting}))


def test_letters_need_a_sender() -> None:
    with pytest.raises(SettingError, match=r"^staff\.email is set, but staff\.email_from is not"):
        senders(clinic(email=[DESK]), Settings(**SETTINGS))


def test_a_fhir_server_may_want_no_token() -> None:
    assert senders(clinic(fhir=STAFF["fhir"]), Settings())


async def test_no_word_address_or_secret_is_logged(caplog: pytest.LogCaptureFixture, tls: Any) -> None:
    caplog.set_level(logging.DEBUG)
    told = []
    with ExitStack() as running:
        mail = running.enter_context(MailServer("starttls", tls[0]))
        receiver, slack, fhir = (
            running.enter_context(one) for one in (Receiver(SECRET), SlackServer(), FhirServer(TOKEN))
        )
        mail.refuse = {"RCPT": f"550 {DESK}"}
        for server in (receiver, slack, fhir):
            server.fail(Fault.status(401, "my secret pain"))
        ways: list[Sender] = [
            email(mail, context=tls[1]),
            Post(receiver.url, (SECRET,)),
            Slack(slack.hook),
            Fhir(f"{fhir.url}/fhir", TOKEN),
        ]
        for way in ways:
            with pytest.raises((Refused, Unreachable)) as raised:
                await way.send("alert-1", {**LETTER, "bundle": exported()})
            told.append(f"{raised.value!r} {raised.value.__cause__!r} {way!r}")
            await way.close()
    # The mail server of the tests logs as well.
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("mail.")]
    secrets = ("secret pain", DESK, SECRET, TOKEN, MailServer.PASSWORD, slack.hook, "hike again")
    assert not [secret for secret in secrets if secret in f"{ours} {told}"]
