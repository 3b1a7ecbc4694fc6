"""Patients with a phone: the real gateway on one side, a stand-in of the platform on the other."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import inbound
import pytest
import standins
import yaml

from plateau.cli._gateway import gateway
from plateau.content import clinic, clinic_words
from plateau.server.platforms import Received
from plateau.store import Contacts, Notices, Outbox, Repository

CLINIC: dict[str, Any] = {
    "name": "Riverside Physical Therapy",
    "phone": "+1 555 0100",
    "default_country": "us",
    "public_url": inbound.PUBLIC_URL,
    "channels": {
        "sms": {"from": inbound.NUMBER},
        "whatsapp": {"from": inbound.NUMBER},
        "telegram": {"bot": "riverside_bot", "mode": "conversation"},
        "messenger": {"page": inbound.PAGE, "mode": "conversation"},
    },
}
# All of it but e-mail, which has a server of its own.
STAFF: dict[str, Any] = {
    "webhook": True,
    "slack": True,
    "answers_within": "within one working day",
    "alerts": ["person", "red_flag", "unread"],
    "summaries": ["webhook"],
}
SENDERS = (inbound.NUMBER, inbound.SERVICE, f"whatsapp:{inbound.NUMBER}")
# Long, for the tests wait for nothing else.
PATIENCE = 150.0


@contextmanager
def written_clinic(folder: Path, settings: Mapping[str, Any]) -> Iterator[None]:
    """The clinic's settings for all that reads them in this process, and as they were afterwards."""
    file = folder / "clinic.yml"
    file.write_text(yaml.safe_dump(dict(settings)), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLATEAU_CLINIC", str(file))
        clinic.cache_clear()
        clinic_words.cache_clear()
        yield
    clinic.cache_clear()
    clinic_words.cache_clear()


@dataclass
class House:
    """A gateway with its platforms; `platforms` are the stand-ins by channel, `staff` those of the clinic's people."""

    client: httpx.AsyncClient
    app: Any
    platforms: Mapping[str, Any]
    staff: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gateway(self) -> Any:
        return self.app.state.gateway

    async def post(self, request: Received) -> httpx.Response:
        """Bring a platform's request in, and wait until all that follows from it is done."""
        path = f"{request.path}?{request.query}" if request.query else request.path
        response = await self.client.request(request.method, path, content=request.body, headers=dict(request.headers))
        await self.settled()
        return response

    async def settled(self) -> None:
        """Wait for what is under way, and for letters that another task of the gateway has in hand."""
        async with asyncio.timeout(PATIENCE):
            while running := set(self.gateway.doors.running):
                await asyncio.wait(running)
            while self._in_hand():  # noqa: ASYNC110 - the database has no event to wait for
                await asyncio.sleep(0.01)

    def _in_hand(self) -> bool:
        with self.gateway.database.reading() as session:
            # Behind one that was not taken, the next waits for a time of its own.
            before = "SELECT 1 FROM outbox p WHERE p.conversation_id = o.conversation_id AND p.target = o.target"
            before += " AND p.state = 'waiting' AND p.id < o.id"
            waiting = "SELECT count(*) FROM outbox o WHERE o.state = 'waiting' AND o.attempts = 0"
            return bool(session.execute(f"{waiting} AND NOT EXISTS ({before})").scalar_one())

    def rows(self) -> dict[str, int]:
        """How many rows each table has: what a refused request must not change."""
        with self.gateway.database.reading() as session:
            names = session.execute("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
            return {name: session.execute(f"SELECT count(*) FROM {name}").scalar_one() for name in names}  # noqa: S608

    def conversation(self, channel: str, address: str) -> str | None:
        with self.gateway.database.reading() as session:
            contact = Contacts(session).find(self.gateway.doors.digest_of(channel, address))
            return contact.conversation_id if contact else None

    def last(self, conversation: str) -> dict[str, Any]:
        with self.gateway.database.reading() as session:
            return dict(Repository(session).last_reply(conversation) or {})

    def answers(self, conversation: str) -> dict[str, Any]:
        with self.gateway.database.reading() as session:
            row = Repository(session).reevaluation(conversation)
            return dict(row.answers) if row else {}

    def assessment(self, conversation: str) -> dict[str, Any]:
        with self.gateway.database.reading() as session:
            row = Repository(session).reevaluation(conversation)
            return dict(row.assessment or {}) if row else {}

    def letters(self, *states: str) -> list[tuple[str, str, str]]:
        with self.gateway.database.reading() as session:
            return [(one.kind, one.target, one.state) for one in reversed(Outbox(session).listing(200, states))]

    def notices(self) -> list[Any]:
        with self.gateway.database.reading() as session:
            return Notices(session).listing(100)

    def violations(self) -> list[str]:
        """Limits of platforms that were broken: there must be none."""
        return [wrong for one in (*self.platforms.values(), *self.staff.values()) for wrong in one.violations]


@asynccontextmanager
async def house(
    folder: Path,
    *,
    staff: Mapping[str, Any] | None = None,
    channels: Mapping[str, Any] | None = None,
    known: Mapping[str, Any] | None = None,
    database: str | None = None,
    **more: Any,
) -> AsyncIterator[House]:
    """A clinic with its channels (None: those of CLINIC), on platforms that enforce their limits; `known`: secrets."""
    with ExitStack() as stack:
        twilio = standins.TwilioServer(inbound.ACCOUNT, inbound.TWILIO_TOKEN, SENDERS)
        telegram = standins.TelegramServer(inbound.TELEGRAM_TOKEN)
        graph = standins.GraphServer(inbound.PAGE, inbound.APP_SECRET, inbound.MESSENGER_TOKEN)
        receiver = standins.Receiver(inbound.WEBHOOK_SECRET)
        slack = standins.SlackServer()
        for one in (twilio, telegram, graph, receiver, slack):
            stack.enter_context(one)
        held = {**CLINIC["channels"], "webhook": {"url": receiver.url}} if channels is None else channels
        settings = {**CLINIC, "channels": held, **more}
        if staff is not None:
            settings["staff"] = {name: receiver.url if name == "webhook" else value for name, value in staff.items()}
        stack.enter_context(written_clinic(folder, settings))
        secrets = {
            "twilio_account": inbound.ACCOUNT,
            "twilio_token": inbound.TWILIO_TOKEN,
            "twilio_api": twilio.url,
            "telegram_token": inbound.TELEGRAM_TOKEN,
            "telegram_secret": inbound.TELEGRAM_SECRET,
            "telegram_api": telegram.url,
            "messenger_app_secret": inbound.APP_SECRET,
            "messenger_token": inbound.MESSENGER_TOKEN,
            "messenger_verify": inbound.VERIFY,
            "messenger_api": graph.url,
            "webhook_secrets": (inbound.WEBHOOK_SECRET,),
            "staff_secrets": (inbound.WEBHOOK_SECRET,),
            "slack": slack.hook,
            **({"database": database} if database else {}),
            **(known or {}),
        }
        platforms = {"sms": twilio, "whatsapp": twilio, "telegram": telegram, "messenger": graph, "webhook": receiver}
        async with gateway(str(folder / "var"), **secrets) as (client, app):
            yield House(client, app, platforms, {"slack": slack, "webhook": receiver}, secrets)


_numbers = itertools.count(1)


@dataclass
class Texter:
    """A patient who can send text messages and nothing else."""

    house: House
    number: str = inbound.PATIENT
    shown: list[str] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)

    @property
    def conversation(self) -> str:
        return self.house.conversation("sms", self.number) or ""

    async def say(self, text: str, **more: str) -> list[str]:
        """Send a text message; return those that came back."""
        server = self.house.platforms["sms"]
        before = len(server.taken)
        self.log.append(("patient", text))
        response = await self.house.post(inbound.twilio("sms", body=text, From=self.number, **more))
        assert response.is_success, response.text
        self.shown = [one.text for one in server.taken[before:] if one.to == self.number]
        self.log += [("plateau", one) for one in self.shown]
        return self.shown

    @property
    def asked(self) -> str | None:
        """The question on the phone's screen."""
        screen = self.house.last(self.conversation).get("screen") or {}
        return screen.get("asked") or screen.get("kind")


@dataclass
class Tapper:
    """A patient who only taps the buttons of a Telegram chat."""

    house: House
    chat: int = inbound.CHAT
    log: list[tuple[str, str]] = field(default_factory=list)

    @property
    def conversation(self) -> str:
        return self.house.conversation("telegram", str(self.chat)) or ""

    @property
    def messages(self) -> list[dict[str, Any]]:
        return list(self.house.platforms["telegram"].chat(self.chat))

    @property
    def latest(self) -> int:
        """The platform's number of the latest message."""
        return max(id for chat, id in self.house.platforms["telegram"].shown if chat == self.chat)

    @property
    def asked(self) -> str | None:
        """The question on the phone's screen."""
        screen = self.house.last(self.conversation).get("screen") or {}
        return screen.get("asked") or screen.get("kind")

    @property
    def buttons(self) -> dict[str, str]:
        """What can be tapped under the latest message, by what stands on it."""
        markup = self.messages[-1].get("reply_markup") or {}
        return {one["text"]: one["callback_data"] for row in markup.get("inline_keyboard", ()) for one in row}

    async def start(self) -> None:
        self.log.append(("patient", "/start"))
        await self._post(inbound.telegram_message(text="/start", chat=self._chat()), "message")

    async def tap(self, title: str) -> None:
        """Tap the button with this text on the latest message."""
        assert title in self.buttons, f"no button {title!r}; there are {list(self.buttons)}"
        self.log.append(("patient", f"[{title}]"))
        await self.tap_data(self.buttons[title])

    async def tap_data(self, data: str) -> None:
        """Tap a button with this data, be it one of ours or not."""
        update = inbound.telegram_tap(data, message=self.latest)
        update["callback_query"]["message"]["chat"] = self._chat()
        response = await self.house.post(inbound.telegram(update, number=next(_numbers) + 10_000))
        assert response.is_success, response.text
        self._note()

    async def _post(self, message: dict[str, Any], kind: str) -> None:
        response = await self.house.post(inbound.telegram({kind: message}, number=next(_numbers) + 10_000))
        assert response.is_success, response.text
        self._note()

    def _chat(self) -> dict[str, Any]:
        return {"id": self.chat, "first_name": "Ana", "type": "private"}

    def _note(self) -> None:
        told = sum(1 for who, _ in self.log if who == "plateau")
        self.log += [("plateau", message["text"]) for message in self.messages[told:]]


def transcript(title: str, log: list[tuple[str, str]], note: str) -> str:
    """Return a conversation as a page of docs/transcripts."""
    lines = [f"# {title}", "", note, ""]
    for who, text in log:
        shown = text.replace("\n", "  \n" if who == "plateau" else "  \n> ")
        lines += [f"**Plateau:** {shown}" if who == "plateau" else f"> **Patient:** {shown}", ""]
    return "\n".join(lines)


def as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
