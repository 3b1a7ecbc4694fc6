"""Requests as the platforms send them, in their documented formats, with the right signature unless told otherwise."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from plateau.server.platforms import Received

PUBLIC_URL = "https://chat.clinic.example"
ACCOUNT = "AC" + "0123456789abcdef" * 2
TWILIO_TOKEN = "twilio-auth-token-0123456789"
TELEGRAM_TOKEN = "123456789:AAtelegram-token_0123456789abcdefghij"
TELEGRAM_SECRET = "telegram-secret_0123456789"
APP_SECRET = "messenger-app-secret-0123456789"
MESSENGER_TOKEN = "EAAmessengerpagetoken0123456789"
VERIFY = "messenger-verify-token-0123456789"
WEBHOOK_SECRET = "webhook-secret-0123456789-0123456789"
NUMBER, SERVICE, PAGE = "+15550100", "MG" + "0123456789abcdef" * 2, "102030405060708"
PATIENT = "+15005550006"


# ---------------------------------------------------------------- Twilio


def twilio_form(channel: str, body: str = "hello", **more: str) -> dict[str, str]:
    """The parameters of an incoming message: twilio.com/docs/messaging/guides/webhook-request."""
    before = "whatsapp:" if channel == "whatsapp" else ""
    sid = more.pop("MessageSid", f"SM{uuid.uuid4().hex}")
    form = {
        "ToCountry": "US", "ToState": "", "SmsMessageSid": sid, "NumMedia": "0", "ToCity": "", "FromZip": "94105",
        "SmsSid": sid, "FromState": "CA", "SmsStatus": "received", "FromCity": "SAN FRANCISCO", "Body": body,
        "FromCountry": "US", "To": before + NUMBER, "ToZip": "", "NumSegments": "1", "MessageSid": sid,
        "AccountSid": ACCOUNT, "From": before + PATIENT, "ApiVersion": "2010-04-01",
    }  # fmt: skip
    if channel == "whatsapp":
        form |= {"ProfileName": "Ana", "WaId": PATIENT.lstrip("+"), "MessageType": "text", "ChannelMetadata": "{}"}
    return {**form, **more}


def twilio_signature(url: str, pairs: Sequence[tuple[str, str]], token: str = TWILIO_TOKEN) -> str:
    """Twilio's signature, twilio.com/docs/usage/security: the URL, then each name and value in order, SHA-1."""
    text = url + "".join(name + value for name, value in sorted(set(pairs)))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def twilio(
    channel: str,
    form: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
    *,
    query: str = "",
    url: str = PUBLIC_URL,
    token: str = TWILIO_TOKEN,
    host: str = "chat.clinic.example",
    **fields: str,
) -> Received:
    """One post of Twilio; `url` and `token` are what it signs with."""
    given = twilio_form(channel, **fields) if form is None else form
    pairs = list(given.items()) if isinstance(given, Mapping) else list(given)
    path = f"/channels/{channel}"
    signature = twilio_signature(f"{url}{path}{'?' if query else ''}{query}", pairs, token)
    sent = {"host": host, "content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature}
    return Received("POST", path, query, sent, urlencode(pairs).encode())


# ---------------------------------------------------------------- Telegram


CHAT = 987654321
SENDER = {"id": CHAT, "is_bot": False, "first_name": "Ana", "language_code": "en"}


def telegram_message(**more: Any) -> dict[str, Any]:
    """A Message of a private chat: core.telegram.org/bots/api#message."""
    chat = {"id": CHAT, "first_name": "Ana", "type": "private"}
    return {"message_id": 7, "from": SENDER, "chat": chat, "date": 1_700_000_000, **more}


def telegram_tap(data: str, message: int = 7, callback: str = "4382bfdwdsb323b2d9") -> dict[str, Any]:
    """A CallbackQuery: core.telegram.org/bots/api#callbackquery."""
    told = {"id": callback, "from": SENDER, "chat_instance": "-3823", "data": data}
    return {"callback_query": {**told, "message": telegram_message(message_id=message, text="?")}}


def telegram_member(before: str, now: str, **more: Any) -> dict[str, Any]:
    """A ChatMemberUpdated of the bot itself: core.telegram.org/bots/api#chatmemberupdated."""
    bot = {"id": 123456789, "is_bot": True, "first_name": "Riverside", "username": "RiversideBot"}
    sides = {"old_chat_member": {"user": bot, "status": before}, "new_chat_member": {"user": bot, "status": now}}
    chat = {"id": CHAT, "first_name": "Ana", "type": "private"}
    return {"my_chat_member": {"chat": chat, "from": SENDER, "date": 1_700_000_000, **sides, **more}}


def telegram(update: Mapping[str, Any], number: int = 10_000, secret: str | None = TELEGRAM_SECRET) -> Received:
    """One post of Telegram: core.telegram.org/bots/api#setwebhook."""
    body = json.dumps({"update_id": number, **update}, ensure_ascii=False).encode()
    sent = {"content-type": "application/json"}
    if secret is not None:
        sent["x-telegram-bot-api-secret-token"] = secret
    return Received("POST", "/channels/telegram", "", sent, body)


# ---------------------------------------------------------------- Messenger


PSID = "4567890123456789"


def messenger_event(timestamp: int = 1_458_692_752_478, sender: str = PSID, **more: Any) -> dict[str, Any]:
    """One messaging event: Messenger Platform, Webhook Events Reference."""
    return {"sender": {"id": sender}, "recipient": {"id": PAGE}, "timestamp": timestamp, **more}


def messenger_message(text: str = "hello", mid: str = "m_1", **more: Any) -> dict[str, Any]:
    return {"message": {"mid": mid, "text": text, **more}}


def messenger_batch(*events: Mapping[str, Any], page: str = PAGE, **more: Any) -> dict[str, Any]:
    return {"object": "page", "entry": [{"id": page, "time": 1_458_692_752_478, "messaging": list(events)}], **more}


def messenger(batch: Mapping[str, Any] | bytes, secret: str = APP_SECRET) -> Received:
    """One post of Meta; it escapes what is not ASCII, and signs what it sends."""
    body = batch if isinstance(batch, bytes) else json.dumps(batch).encode()
    right = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    sent = {"content-type": "application/json", "x-hub-signature-256": f"sha256={right}"}
    return Received("POST", "/channels/messenger", "", sent, body)


def messenger_check(token: str = VERIFY, challenge: str = "1158201444", mode: str = "subscribe") -> Received:
    query = urlencode({"hub.mode": mode, "hub.challenge": challenge, "hub.verify_token": token})
    return Received("GET", "/channels/messenger", query, {}, b"")


# ---------------------------------------------------------------- the signed webhook


def webhook_signature(moment: str, body: bytes, secret: str = WEBHOOK_SECRET) -> str:
    return "v1=" + hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()


def webhook(said: Mapping[str, Any] | bytes, *, secret: str = WEBHOOK_SECRET, moment: float | None = None) -> Received:
    """One post of a clinic's own app."""
    body = said if isinstance(said, bytes) else json.dumps(said, ensure_ascii=False).encode()
    at = str(int(time.time() if moment is None else moment))
    sent = {"content-type": "application/json", "plateau-timestamp": at}
    return Received(
        "POST", "/channels/webhook", "", {**sent, "plateau-signature": webhook_signature(at, body, secret)}, body
    )


# ---------------------------------------------------------------- what somebody else could do with a request


def without(request: Received, header: str) -> Received:
    return replace(request, headers={name: text for name, text in request.headers.items() if name != header})


def with_header(request: Received, header: str, text: str) -> Received:
    return replace(request, headers={**request.headers, header: text})


def with_body(request: Received, old: bytes, new: bytes) -> Received:
    assert old in request.body, f"{old!r} does not stand in the request"
    return replace(request, body=request.body.replace(old, new))
