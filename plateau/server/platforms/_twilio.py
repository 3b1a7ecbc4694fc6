"""Text messages and WhatsApp through Twilio (twilio.com/docs/messaging): signed form posts in, its client out.

The client is the official one in its asynchronous form. Its own connection is replaced by ours, as it provides for:
its logs addresses, keeps the last message in memory, has no time limit and drops `Retry-After`.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import ImmutableMultiDict
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from plateau.channels import Said

from ._http import Web
from ._wire import Arrived, Broken, Edit, Forged, Received, Refused, Unreachable

logger = logging.getLogger(__name__)

API = "https://api.twilio.com"
SIGNATURE = "x-twilio-signature"
MESSAGE = re.compile(r"(SM|MM)[0-9a-fA-F]{32}")
# By platform: how an address begins, and what a patient's may be. WhatsApp has ids for those who hide their number.
BEFORE = {"sms": "", "whatsapp": "whatsapp:"}
PATIENT = {
    "sms": re.compile(r"\+[1-9][0-9]{6,14}"),
    "whatsapp": re.compile(r"whatsapp:(\+[1-9][0-9]{6,14}|[A-Z]{2}\.[A-Za-z0-9]{1,128})"),
}
CARRIER = {"STOP": "stop", "START": "start", "HELP": "help"}
# Of twilio.com/docs/api/errors. What fails because of how the clinic set Twilio up is mended there, and then goes out:
# credentials, suspended account, unknown account, a `from` that is not the clinic's, no permission for a country.
OURS = {20003, 20005, 20404, 20006, 20008, 21212, 21603, 21606, 21408, 21659, 21660, 21701, 21703, 63007, 90010}
# Too much at once: account, number, WhatsApp's own limit.
LATER = {14107, 20429, 21611, 63018}
# The template, not the patient: content or variables that Twilio or WhatsApp do not take.
TEMPLATE = {21655, 21656, 63005, 63013, 63027}
# Characters of one of a template's variables, of which none may be empty.
MOST_VARIABLE = 255
WHY = {
    21610: "the patient has opted out",
    21211: "this is no phone number",
    21614: "this number takes no text messages",
    21635: "this number is a landline",
    21617: "the text is too long",
    63016: "the patient has not written for 24 hours",
    63024: "this is no WhatsApp number",
}
UNDELIVERED = ("failed", "undelivered")


class Twilio:
    """One of Twilio's two platforms, `sms` or `whatsapp`.

    `sender` is the clinic's number, or the id of its messaging service. `public_url` is the address that Twilio posts
    to and signs, without the path: of the Host header nothing is believed. `templates` are the clinic's by their names.
    """

    def __init__(
        self,
        name: str,
        *,
        sender: str,
        account: str,
        token: str,
        public_url: str,
        templates: Mapping[str, str] | None = None,
        api: str = API,
        web: Web | None = None,
    ) -> None:
        self.name = name
        self._sender, self._public_url = sender, public_url
        self._templates = dict(templates or {})
        self._validator = RequestValidator(token)
        self._web = web or Web(name)
        self._client = Client(account, token, http_client=_Connection(self._web))
        self._client.api.base_url = api

    def arrived(self, request: Received) -> Sequence[Arrived]:
        """Return the one message of a post, none of a status callback; raises Forged or Broken."""
        form = self._verified(request)
        # Only a callback about a message of ours has a MessageStatus.
        if "MessageStatus" in form:
            self._note(form)
            return ()
        if not MESSAGE.fullmatch(message := form.get("MessageSid", "")):
            raise Broken("MessageSid is missing or none; allowed: SM or MM and 32 hexadecimal digits")
        if not PATIENT[self.name].fullmatch(address := form.get("From", "")):
            raise Broken(f"From is no address of {self.name}; allowed: a patient's number")
        if not self._is_ours(form):
            raise Broken("To is not the clinic's; allowed: the number or service under `from` in clinic.yml")
        return (Arrived(address, message, _said(form), carrier=CARRIER.get(form.get("OptOutType", "").upper())),)

    def greeting(self, request: Received) -> str | None:
        """Return None: Twilio does not check addresses."""
        return None

    async def send(self, address: str, message: Mapping[str, Any]) -> None:
        """Send `body`, or `template` with `variables` in its place; raises Unreachable or Refused.

        A template that is unknown, too long or not taken by Twilio gives way to `body`: the numbered text always works.
        """
        if content := self._template(message):
            try:
                await self._create(address, content)
            except _BadTemplate as error:
                if "body" not in message:
                    raise
                logger.warning("%s; sent as text", error)
            else:
                return
        await self._create(address, {"body": message["body"]})

    async def redraw(self, address: str, edit: Edit, message: Mapping[str, Any] | None) -> None:
        """Send anew what was to be drawn anew: here nothing that was sent can be changed."""
        if message is not None:
            await self.send(address, message)

    async def close(self) -> None:
        """Let the connections go."""
        await self._web.close()

    def _verified(self, request: Received) -> ImmutableMultiDict[str, str]:
        pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True, errors="replace")
        form = ImmutableMultiDict(pairs)
        url = f"{self._public_url}{request.path}{'?' if request.query else ''}{request.query}"
        # It compares in constant time, and with and without the port, as Twilio signs both.
        if not self._validator.validate(url, form, request.headers.get(SIGNATURE, "")):
            raise Forged("X-Twilio-Signature is missing or not that of this request to `public_url`")
        return form

    def _is_ours(self, form: Mapping[str, str]) -> bool:
        if self._sender.startswith("MG"):
            # A service may hold senders of WhatsApp as well.
            return form.get("MessagingServiceSid") == self._sender and not form.get("To", "").startswith("whatsapp:")
        return form.get("To") == BEFORE[self.name] + self._sender

    def _note(self, form: Mapping[str, str]) -> None:
        if form["MessageStatus"] in UNDELIVERED:
            code = form.get("ErrorCode", "")
            logger.warning(
                "%s: a message was not delivered (Twilio error %s)", self.name, int(code) if code.isdecimal() else "?"
            )

    def _template(self, message: Mapping[str, Any]) -> dict[str, str] | None:
        named = message.get("template")
        if named is None:
            return None
        content = named if named.startswith("HX") else self._templates.get(named)
        variables: Mapping[str, str] = message.get("variables") or {}
        if content is None or not all(0 < len(value) <= MOST_VARIABLE for value in variables.values()):
            return None
        return {"content_sid": content, "content_variables": json.dumps(variables, ensure_ascii=False)}

    async def _create(self, address: str, content: Mapping[str, str]) -> None:
        whose = "messaging_service_sid" if self._sender.startswith("MG") else "from_"
        sender = self._sender if whose != "from_" else BEFORE[self.name] + self._sender
        try:
            await self._client.messages.create_async(to=address, **{whose: sender}, **content)
        except TwilioRestException as error:
            raise self._failed(error) from None
        except (TwilioException, ValueError, KeyError, TypeError) as error:
            # An answer that is none of Twilio's, such as a proxy's page.
            raise Unreachable(f"{self.name}: Twilio's answer cannot be read ({type(error).__name__})") from None

    def _failed(self, error: TwilioRestException) -> Unreachable | Refused:
        # Never its text: it quotes the patient's number.
        code, status = int(error.code or 0), int(error.status)
        if code in LATER:
            return Unreachable(f"{self.name}: too much at once (Twilio error {code})")
        if code in OURS or status in (401, 403) or not 400 <= status < 500:
            logger.error("%s: Twilio does not take the clinic's settings (HTTP %s, error %s)", self.name, status, code)
            return Unreachable(f"{self.name}: the clinic's settings at Twilio are wrong (error {code})")
        if code in TEMPLATE:
            return _BadTemplate(f"{self.name}: Twilio does not take the template (error {code})")
        return Refused(f"{self.name}: {WHY.get(code, 'Twilio refused the message')} (error {code})")


class _BadTemplate(Refused):
    """The template is at fault and not the patient's address."""


class _Connection:
    """What the client sends its requests through."""

    is_async = True

    def __init__(self, web: Web) -> None:
        self._web = web

    async def request(
        self,
        method: str,
        url: str,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        **others: Any,
    ) -> Response:
        # The client's only call here is a post; `others` are a query, which it has not, and a time limit, which we set.
        form = urlencode(data or {}, doseq=True, errors="replace").encode()
        answer = await self._web.post(url, form, "application/x-www-form-urlencoded", headers, auth)
        return Response(answer.status, answer.body.decode("utf-8", "replace"))


def _said(form: Mapping[str, str]) -> Said:
    # A button of a template without data of its own has its title only, which is in the Body as well.
    if tapped := form.get("ButtonPayload") or form.get("ListId"):
        return Said(tap=tapped)
    # A picture, a place or a voice message alone has no words.
    return Said(text=form.get("Body", ""))
