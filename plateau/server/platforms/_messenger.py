"""Facebook Messenger (developers.facebook.com, Messenger Platform): signed batches in, the Send API of Graph out."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode

from plateau.channels import Said

from ._http import Answer, Web, asked_to_wait, packed
from ._proof import hexed, same
from ._reading import at, read_json, text_at, things_at, whole_at
from ._wire import EDITED, Arrived, Edit, Forged, Received, Refused, Unreachable

logger = logging.getLogger(__name__)

API = "https://graph.facebook.com"
# Of 29 July 2026; Meta keeps a version for about two years.
VERSION = "v26.0"
FORM = "application/x-www-form-urlencoded"
SIGNATURE = "x-hub-signature-256"
# What the "Get Started" button sends.
START = "/start"
CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")
MOST_CHALLENGE = 256
# Of developers.facebook.com, Messenger Platform, "Common Error Codes" (18 March 2026). With a subcode first.
WHY = {
    (10, 2018278): "the patient has not written for 24 hours",
    (10, 2018065): "the patient has not written for 24 hours",
    (200, 1545041): "the patient takes no messages of the page",
    (551, None): "the patient takes no messages of the page",
    (100, 2018001): "there is no such patient",
    (100, None): "Messenger refused the message",
}
# Application, account, page, endpoint: too many calls.
LATER = {4, 17, 32, 613, 80006}
# "Temporary send message failure", "An unknown error occurred", "Service temporarily unavailable".
FAULTS = {1, 2, 1200}
# Token or permissions: mended by the clinic, and then it goes out.
OURS = {3, 10, 102, 190, 230} | set(range(200, 230))


class Messenger:
    """The clinic's page.

    `app_secret` proves who sent what, both ways; `token` is the page's; `verify` is what Meta is told to check with.
    """

    name = "messenger"

    def __init__(
        self, *, page: str, app_secret: str, token: str, verify: str, api: str = API, web: Web | None = None
    ) -> None:
        self._page, self._app_secret, self._token, self._verify = page, app_secret, token, verify
        self._graph = f"{api}/{VERSION}"
        self._web = web or Web(self.name)

    def arrived(self, request: Received) -> Sequence[Arrived]:
        """Return every message and tap of a batch that was sent to the clinic's page; raises Forged or Broken."""
        right = f"sha256={hexed(self._app_secret, request.body)}"
        if not same(request.headers.get(SIGNATURE, ""), right):
            raise Forged("X-Hub-Signature-256 is missing or not that of this body")
        batch = read_json(request.body)
        if batch.get("object") != "page":
            return ()
        return tuple(self._all(batch))

    def greeting(self, request: Received) -> str | None:
        """Return the challenge with which Meta checks the address; raises Forged where the token is wrong."""
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        challenge = query.get("hub.challenge", "")
        if query.get("hub.mode") != "subscribe" or not same(query.get("hub.verify_token", ""), self._verify):
            raise Forged("hub.verify_token is missing or wrong")
        # It is sent back, so it must be nothing that a browser could run.
        if not challenge.isascii() or not challenge.isalnum() or len(challenge) > MOST_CHALLENGE:
            raise Forged("hub.challenge is missing or none; allowed: letters and digits")
        return challenge

    async def send(self, address: str, message: Mapping[str, Any]) -> None:
        """Send a request of the Send API, to which only `recipient` is missing; raises Unreachable or Refused."""
        fields = {"messaging_type": "RESPONSE", **message, "recipient": {"id": address}}
        await self.call(f"{self._page}/messages", fields)

    async def redraw(self, address: str, edit: Edit, message: Mapping[str, Any] | None) -> None:
        """Send anew what was to be drawn anew: here nothing that was sent can be changed."""
        if message is not None:
            await self.send(address, message)

    async def call(self, path: str, fields: Mapping[str, Any]) -> None:
        """Post to Graph; raises Unreachable or Refused."""
        # Token and proof as fields and not in the address, which proxies log.
        form = {name: value if isinstance(value, str) else packed(value).decode() for name, value in fields.items()}
        form |= {"access_token": self._token, "appsecret_proof": hexed(self._app_secret, self._token.encode())}
        answer = await self._web.answered(f"{self._graph}/{path}", urlencode(form).encode(), FORM)
        if not answer.taken:
            raise self._failed(answer)

    async def close(self) -> None:
        """Let the connections go."""
        await self._web.close()

    def _all(self, batch: Mapping[str, Any]) -> Iterator[Arrived]:
        for entry in things_at(batch, "entry"):
            # One app may serve more pages than the clinic's.
            if text_at(entry, "id") != self._page:
                continue
            for event in things_at(entry, "messaging"):
                if text_at(event, "recipient", "id") == self._page and (found := _event(event)) is not None:
                    yield found

    def _failed(self, answer: Answer) -> Unreachable | Refused:
        # Never its message, which may quote ours.
        error = answer.json().get("error")
        code, subcode = whole_at(error, "code"), whole_at(error, "error_subcode")
        if answer.status == 429 or answer.status >= 500 or code is None or code in LATER | FAULTS:
            return Unreachable(f"messenger: answered {answer.status} (error {code})", asked_to_wait(answer))
        if why := WHY.get((code, subcode)) or (code not in OURS and WHY.get((code, None))):
            return Refused(f"messenger: {why} (error {code})")
        if code in OURS:
            logger.error("messenger: the page's token or permissions are wrong (error %s, %s)", code, subcode)
            return Unreachable(f"messenger: the clinic's settings at Meta are wrong (error {code})")
        return Refused(f"messenger: Messenger refused the message (error {code})")


def _event(event: Any) -> Arrived | None:
    """Return what a patient sent or tapped; None of echoes, receipts and reactions."""
    address, order = text_at(event, "sender", "id"), whole_at(event, "timestamp")
    if not address:
        return None
    told = _postback(event, address) or _referred(event, address) or _edited(event) or _message(event)
    return None if told is None else Arrived(address, told[0], told[1], order=order)


def _postback(event: Any, address: str) -> tuple[str, Said] | None:
    data = text_at(event, "postback", "payload")
    if data is None:
        return None
    # Older ones have no id of their own; the same one sent again has the same time.
    id = text_at(event, "postback", "mid") or _digest(address, str(at(event, "timestamp")), data)
    return id, Said(text=_start(event["postback"])) if data == START else Said(tap=data)


def _referred(event: Any, address: str) -> tuple[str, Said] | None:
    """Someone who already talks with the page came by a link (m.me/PAGE?ref=CODE)."""
    if not isinstance(at(event, "referral"), Mapping):
        return None
    text = _start(event)
    return _digest(address, str(at(event, "timestamp")), text), Said(text=text)


def _start(told: Mapping[str, Any]) -> str:
    """Return what stands for the beginning, as Telegram writes it: with the code of the link that led here."""
    code = text_at(told, "referral", "ref") or ""
    return f"{START} {code}" if CODE.fullmatch(code) else START


def _edited(event: Any) -> tuple[str, Said] | None:
    """No new answer, but danger in it is heard."""
    id, text = text_at(event, "message_edit", "mid"), text_at(event, "message_edit", "text")
    count = whole_at(event, "message_edit", "num_edit")
    return (f"{id}{EDITED}/{count}", Said(text=text)) if id and text else None


def _message(event: Any) -> tuple[str, Said] | None:
    message, id = at(event, "message"), text_at(event, "message", "mid")
    if id is None or at(message, "is_echo") is True or at(message, "is_deleted") is True:
        return None
    if (data := text_at(message, "quick_reply", "payload")) is not None:
        return id, Said(tap=data)
    # A picture, a voice message or a sticker alone has no words.
    return id, Said(text=text_at(message, "text") or "")


def _digest(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()
