"""Stand-ins for the platforms, on 127.0.0.1: they behave as the platforms document, and hold to their limits.

Each keeps what it took in `taken`. What breaks a limit of the platform is refused as the platform would, and written
down in `violations`, which a test must find empty. `fail` makes the next calls fail in ways of the network.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import ipaddress
import json
import re
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# Seconds that a stand-in which does not answer waits; longer than the client of such a test does.
SILENT = 5.0


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP call as it came in; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode(), keep_blank_values=True).items()}

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered; a body that is no text becomes JSON."""

    status: int = 200
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Fault:
    """Ways in which a call fails before the platform has a say."""

    @staticmethod
    def status(status: int, body: Any = "", **headers: str) -> Reply:
        """Answer so instead of taking the call."""
        return Reply(status, body, {name.replace("_", "-"): text for name, text in headers.items()})

    silent = "silent"  # no answer at all
    dropped = "dropped"  # the connection ends before anything was taken
    taken_and_dropped = "taken and dropped"  # taken, but the connection ends before the answer


def wait(client: Any, fault: Any) -> None:
    """Let a client wait long, so that a busy machine fails no test, and short for what will never answer."""
    client._web.seconds = 0.4 if fault == Fault.silent else 20.0


class StandIn:
    """A server in a thread of its own, so that it serves whatever loop a test runs."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.violations: list[str] = []
        self.calls: list[Call] = []
        self._faults: deque[Reply | str] = deque()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def fail(self, *faults: Reply | str) -> None:
        """Let the next calls fail, one fault each, in this order."""
        self._faults.extend(faults)

    def handle(self, call: Call) -> Reply:
        raise NotImplementedError

    def wrong(self, what: str) -> None:
        """Write down that a limit of the platform was broken."""
        self.violations.append(what)

    def _answer(self, call: Call) -> Reply | None:
        """Return the answer, None for none; a fault has the first say."""
        with self._lock:
            self.calls.append(call)
            fault = self._faults.popleft() if self._faults else None
            if isinstance(fault, Reply):
                return fault
            if fault in (None, Fault.taken_and_dropped):
                reply = self.handle(call)
                return reply if fault is None else None
        if fault == Fault.silent:
            self._closing.wait(SILENT)
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): text for name, text in self.headers.items()}
                reply = outer._answer(Call(self.command, parts.path, parts.query, headers, body))
                if reply is None:
                    self.close_connection = True
                    return
                text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
                content = text.encode()
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


# ---------------------------------------------------------------- Twilio


@dataclass(frozen=True, slots=True)
class Text:
    """What a patient's phone shows: the text, and what can be tapped, by its data."""

    to: str
    sender: str
    text: str
    options: Mapping[str, str] = field(default_factory=dict)


def twilio_error(status: int, code: int, text: str) -> Reply:
    """Twilio's error, twilio.com/docs/usage/twilios-response."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    return Reply(status, {"code": code, "message": text, "more_info": more, "status": status})


class TwilioServer(StandIn):
    """The Messages resource and the Content API: twilio.com/docs/messaging/api/message-resource, .../content."""

    NUMBER = re.compile(r"(whatsapp:)?\+[1-9][0-9]{6,14}")
    VARIABLE = re.compile(r"\{\{(\w+)\}\}")

    def __init__(self, account: str, token: str, senders: tuple[str, ...]) -> None:
        super().__init__()
        self.account, self.token, self.senders = account, token, senders
        self.opted_out: set[str] = set()
        self.landlines: set[str] = set()
        self.window_over: set[str] = set()
        self.contents: dict[str, Mapping[str, Any]] = {}

    def handle(self, call: Call) -> Reply:
        given = base64.b64encode(f"{self.account}:{self.token}".encode()).decode()
        if call.headers.get("authorization") != f"Basic {given}":
            return twilio_error(401, 20003, "Authenticate")
        if call.path == f"/2010-04-01/Accounts/{self.account}/Messages.json":
            return self._message(call.form())
        if call.path == "/v1/Content":
            return self._content(call.json()) if call.method == "POST" else self._contents(call.query)
        return twilio_error(404, 20404, f"The requested resource {call.path} was not found")

    def _message(self, form: Mapping[str, str]) -> Reply:
        to, sender = form.get("To", ""), form.get("From") or form.get("MessagingServiceSid", "")
        if not self.NUMBER.fullmatch(to):
            return twilio_error(400, 21211, f"Invalid 'To' Phone Number: {to}")
        if sender not in self.senders:
            return twilio_error(400, 21606, f"The From phone number {sender} is not a valid, SMS-capable number")
        if to.startswith("whatsapp:") != sender.startswith("whatsapp:") and not sender.startswith("MG"):
            return twilio_error(400, 21910, "Invalid From and To pair. From and To should be of the same channel")
        if to in self.opted_out:
            return twilio_error(400, 21610, f"Attempt to send to unsubscribed recipient {to}")
        if to in self.landlines:
            return twilio_error(400, 21614, f"'To' number: {to}, is not a valid mobile number")
        if to in self.window_over:
            return twilio_error(
                400, 63016, "Failed to send freeform message because you are outside the allowed window"
            )
        return self._filled(form, to, sender) if "ContentSid" in form else self._plain(form, to, sender)

    def _plain(self, form: Mapping[str, str], to: str, sender: str) -> Reply:
        body = form.get("Body", "")
        if not body:
            self.wrong("a message without text")
            return twilio_error(400, 21602, "Message body is required")
        if len(body) > 1600:
            self.wrong(f"a text of {len(body)} characters; allowed: 1600")
            return twilio_error(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        return self._queued(Text(to, sender, body))

    def _filled(self, form: Mapping[str, str], to: str, sender: str) -> Reply:
        if "Body" in form:
            self.wrong("a template beside a body")
        content = self.contents.get(form["ContentSid"])
        if content is None:
            return twilio_error(400, 21655, "The ContentSid is Invalid")
        try:
            given = json.loads(form.get("ContentVariables", "{}"))
        except ValueError:
            given = None
        bad = not isinstance(given, dict) or any(
            not isinstance(v, str) or not 0 < len(v) <= 255 for v in given.values()
        )
        if bad:
            self.wrong("a variable that is empty, too long or no text")
            return twilio_error(400, 21656, "The ContentVariables Parameter is invalid")
        values = {**content.get("variables", {}), **given}
        shown = json.loads(
            self.VARIABLE.sub(lambda found: json.dumps(values[found[1]])[1:-1], json.dumps(content["types"]))
        )
        text, options = self._shown(shown)
        return self._queued(Text(to, sender, text, options))

    def _shown(self, types: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
        if quick := types.get("twilio/quick-reply"):
            options = {one["id"]: one["title"] for one in quick["actions"]}
            self._hold(quick["body"], options, most=3, title=20, id=200)
            return quick["body"], options
        picker = types["twilio/list-picker"]
        options = {one["id"]: one["item"] for one in picker["items"]}
        self._hold(picker["body"], options, most=10, title=24, id=200)
        if any(len(one.get("description", "")) > 72 for one in picker["items"]) or not 0 < len(picker["button"]) <= 20:
            self.wrong("a list's description above 72 characters, or a button that is empty or above 20")
        return picker["body"], options

    def _hold(self, body: str, options: Mapping[str, str], most: int, title: int, id: int) -> None:
        if len(body) > 1024:
            self.wrong(f"a template's text of {len(body)} characters; allowed: 1024")
        if not 1 <= len(options) <= most:
            self.wrong(f"{len(options)} options, or the same data twice; allowed: 1 to {most}")
        if any(not 0 < len(text) <= title for text in options.values()):
            self.wrong(f"a title that is empty or longer than {title} characters")
        if any(not 0 < len(data) <= id for data in options):
            self.wrong(f"data that is empty or longer than {id} characters")

    def _queued(self, text: Text) -> Reply:
        self.taken.append(text)
        sid = f"SM{hashlib.md5(str(len(self.taken)).encode()).hexdigest()}"  # noqa: S324 - a name
        told = {"sid": sid, "account_sid": self.account, "to": text.to, "from": text.sender, "body": text.text}
        rest = {"status": "queued", "error_code": None, "error_message": None, "num_segments": "1", "num_media": "0"}
        dates = dict.fromkeys(("date_created", "date_updated", "date_sent"))
        return Reply(
            201, {**told, **rest, **dates, "direction": "outbound-api", "uri": "", "api_version": "2010-04-01"}
        )

    def _content(self, made: Mapping[str, Any]) -> Reply:
        if set(made) - {"friendly_name", "language", "variables", "types"} or not made.get("types"):
            self.wrong("a template with unknown fields or without types")
            return twilio_error(400, 20001, "Invalid content")
        used = set(self.VARIABLE.findall(json.dumps(made["types"])))
        samples = made.get("variables", {})
        if used - set(samples) or not all(samples.values()):
            self.wrong("a template's variable without a sample")
        self._shown(
            json.loads(self.VARIABLE.sub(lambda found: str(samples.get(found[1], "?")), json.dumps(made["types"])))
        )
        sid = f"HX{len(self.contents):032x}"
        self.contents[sid] = made
        return Reply(201, {"sid": sid, **made})

    def _contents(self, query: str) -> Reply:
        """Answer with pages of three."""
        start = int(parse_qs(query).get("Page", ["0"])[0]) * 3
        contents = [{"sid": sid, **made} for sid, made in self.contents.items()]
        more = f"{self.url}/v1/Content?PageSize=100&Page={start // 3 + 1}" if contents[start + 3 :] else None
        return Reply(200, {"contents": contents[start : start + 3], "meta": {"next_page_url": more, "key": "contents"}})


# ---------------------------------------------------------------- Telegram


def telegram_error(code: int, text: str, **parameters: Any) -> Reply:
    """Telegram's error, core.telegram.org/bots/api#making-requests."""
    more = {"parameters": parameters} if parameters else {}
    return Reply(code, {"ok": False, "error_code": code, "description": text, **more})


class TelegramServer(StandIn):
    """The Bot API; `taken` has every call that was done, `shown` what stands in each chat now."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token
        self.shown: dict[tuple[int, int], dict[str, Any]] = {}
        self.blocked: set[int] = set()
        self.strangers: set[int] = set()
        self.late_queries: set[str] = set()
        self.webhook: dict[str, Any] = {}

    def handle(self, call: Call) -> Reply:
        token, _, method = call.path.removeprefix("/bot").partition("/")
        if token != self.token:
            return telegram_error(401, "Unauthorized")
        fields = call.json() if call.body else {}
        done: Callable[[dict[str, Any]], Reply] | None = getattr(self, f"do_{method}", None)
        if done is None:
            return telegram_error(404, "Not Found: method not found")
        reply = done(fields)
        if reply.status == 200:
            self.taken.append((method, fields))
        return reply

    def chat(self, id: int) -> list[dict[str, Any]]:
        """Return what stands in a chat, the first first."""
        return [message for (chat, _), message in sorted(self.shown.items()) if chat == id]

    def do_sendMessage(self, fields: dict[str, Any]) -> Reply:  # noqa: N802
        if refused := self._to(fields) or self._text(fields) or self._markup(fields):
            return refused
        id = len(self.shown) + 1
        self.shown[fields["chat_id"], id] = {name: fields[name] for name in ("text", "reply_markup") if name in fields}
        return self._message(fields["chat_id"], id)

    def do_editMessageText(self, fields: dict[str, Any]) -> Reply:  # noqa: N802
        return (
            self._to(fields) or self._text(fields) or self._markup(fields) or self._edit(fields, "text", "reply_markup")
        )

    def do_editMessageReplyMarkup(self, fields: dict[str, Any]) -> Reply:  # noqa: N802
        return self._to(fields) or self._markup(fields) or self._edit(fields, "reply_markup")

    def do_answerCallbackQuery(self, fields: dict[str, Any]) -> Reply:  # noqa: N802
        if fields.get("callback_query_id") in (None, "", *self.late_queries):
            why = "Bad Request: query is too old and response timeout expired or query ID is invalid"
            return telegram_error(400, why)
        if len(fields.get("text", "")) > 200:
            self.wrong("a notice above 200 characters")
        return Reply(200, {"ok": True, "result": True})

    def do_setWebhook(self, fields: dict[str, Any]) -> Reply:  # noqa: N802
        if not str(fields.get("url", "")).startswith("https://"):
            return telegram_error(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", fields.get("secret_token", "")):
            return telegram_error(400, "Bad Request: secret token contains unallowed characters")
        self.webhook = fields
        return Reply(200, {"ok": True, "result": True, "description": "Webhook was set"})

    def do_getMe(self, fields: dict[str, Any]) -> Reply:  # noqa: N802
        return Reply(200, {"ok": True, "result": {"id": 1, "is_bot": True, "username": "RiversideBot"}})

    def _to(self, fields: dict[str, Any]) -> Reply | None:
        chat = fields.get("chat_id")
        if not isinstance(chat, int) or chat in self.strangers:
            return telegram_error(400, "Bad Request: chat not found")
        return telegram_error(403, "Forbidden: bot was blocked by the user") if chat in self.blocked else None

    def _text(self, fields: dict[str, Any]) -> Reply | None:
        text = fields.get("text", "")
        if not text.strip():
            self.wrong("a message without text")
            return telegram_error(400, "Bad Request: message text is empty")
        if (length := len(text.encode("utf-16-le")) // 2) > 4096:
            self.wrong(f"a text of {length} characters; allowed: 4096")
            return telegram_error(400, "Bad Request: message is too long")
        if "parse_mode" in fields:
            self.wrong("a parse mode: what patients typed would be read as mark-up")
        return None

    def _markup(self, fields: dict[str, Any]) -> Reply | None:
        rows = (fields.get("reply_markup") or {}).get("inline_keyboard", [])
        buttons = [button for row in rows for button in row]
        if any(len(row) > 8 for row in rows) or len(buttons) > 100:
            self.wrong("more than 8 buttons in a row or 100 in all")
            return telegram_error(400, "Bad Request: reply markup is too long")
        for button in buttons:
            data = button.get("callback_data")
            if (
                not str(button.get("text", "")).strip()
                or set(button) - {"text", "callback_data", "url"}
                or len(button) != 2
            ):
                self.wrong("a button that has no text, or not exactly one of callback_data and url")
                return telegram_error(400, "Bad Request: can't parse inline keyboard button")
            if data is not None and not 1 <= len(data.encode()) <= 64:
                self.wrong(f"a button's data of {len(data.encode())} bytes; allowed: 1 to 64")
                return telegram_error(400, "Bad Request: BUTTON_DATA_INVALID")
        return None

    def _edit(self, fields: dict[str, Any], *names: str) -> Reply:
        place = fields["chat_id"], fields.get("message_id")
        before = self.shown.get(place)
        if before is None:
            return telegram_error(400, "Bad Request: message to edit not found")
        # Without a keyboard of its own an edited message loses the one it had.
        kept = {name: text for name, text in before.items() if name not in names}
        after = {**kept, **{name: fields[name] for name in names if name in fields}}
        if after == before:
            why = "specified new message content and reply markup are exactly the same as a current content"
            return telegram_error(400, f"Bad Request: message is not modified: {why}")
        self.shown[place] = after
        return self._message(*place)

    def _message(self, chat: int, id: int) -> Reply:
        where = {"id": chat, "type": "private"}
        return Reply(200, {"ok": True, "result": {"message_id": id, "chat": where, "date": int(time.time())}})


# ---------------------------------------------------------------- Messenger


def graph_error(code: int, subcode: int | None = None, status: int = 400, text: str = "(#) refused") -> Reply:
    """Graph's error, developers.facebook.com/docs/graph-api/guides/error-handling."""
    more = {} if subcode is None else {"error_subcode": subcode}
    return Reply(
        status, {"error": {"message": text, "type": "OAuthException", "code": code, **more, "fbtrace_id": "A"}}
    )


class GraphServer(StandIn):
    """The Send API and the profile of one page."""

    def __init__(self, page: str, app_secret: str, token: str) -> None:
        super().__init__()
        self.page, self.app_secret, self.token = page, app_secret, token
        self.window_over: set[str] = set()
        self.unavailable: set[str] = set()
        self.strangers: set[str] = set()
        self.profile: dict[str, Any] = {}
        self.subscribed: list[str] = []

    def handle(self, call: Call) -> Reply:
        form = call.form()
        proof = hmac.new(self.app_secret.encode(), self.token.encode(), "sha256").hexdigest()
        if form.get("access_token") != self.token:
            return graph_error(190, status=401, text="Invalid OAuth access token.")
        if form.get("appsecret_proof") != proof:
            return graph_error(100, text="Invalid appsecret_proof provided in the API argument")
        version, _, path = call.path.lstrip("/").partition("/")
        if not re.fullmatch(r"v[0-9]{2}\.0", version):
            self.wrong("a call without a version")
        if path in (f"{self.page}/messages", "me/messages"):
            return self._message(form)
        if path in (f"{self.page}/messenger_profile", "me/messenger_profile"):
            return self._profile(form)
        if path == f"{self.page}/subscribed_apps":
            self.subscribed = form.get("subscribed_fields", "").split(",")
            return Reply(200, {"success": True})
        return graph_error(100, 33, text="Unsupported post request.")

    def _message(self, form: Mapping[str, str]) -> Reply:
        to, message = json.loads(form["recipient"])["id"], json.loads(form["message"])
        if form.get("messaging_type") not in ("RESPONSE", "UPDATE"):
            self.wrong("messaging_type is needed")
        if to in self.strangers:
            return graph_error(100, 2018001, text="(#100) No matching user found")
        if to in self.window_over:
            return graph_error(10, 2018278, text="(#10) This message is sent outside of allowed window.")
        if to in self.unavailable:
            return graph_error(551, 1545041, text="(#551) This person isn't available right now.")
        if broken := list(self._broken(message)):
            self.violations += broken
            return graph_error(100, text=f"(#100) {broken[0]}")
        self.taken.append((to, message))
        return Reply(200, {"recipient_id": to, "message_id": f"m_{len(self.taken)}"})

    def _broken(self, message: Mapping[str, Any]) -> list[str]:
        text, template = message.get("text"), (message.get("attachment") or {}).get("payload", {})
        replies, buttons = message.get("quick_replies", []), template.get("buttons", [])
        data = [one.get("payload", "") for one in (*replies, *buttons) if one.get("type") != "web_url"]
        titles = [one.get("title", "") for one in (*replies, *buttons)]
        said = text if text is not None else template.get("text", "")
        rules = {
            "a message without text": bool(said.strip()),
            "a text above 2000 characters, or 640 above buttons": len(said) <= (640 if template else 2000),
            "more than 13 quick replies, or an empty list of them": len(replies) <= 13
            and message.get("quick_replies") != [],
            "more than 3 buttons, or none in a template": not template or 1 <= len(buttons) <= 3,
            "a title that is empty or above 20 characters": all(0 < len(title) <= 20 for title in titles),
            "data that is empty or above 1000 characters": all(0 < len(one) <= 1000 for one in data),
            "a quick reply that is no text": all(one.get("content_type") == "text" for one in replies),
            "an unknown field": set(message) <= {"text", "quick_replies", "attachment", "metadata"},
        }
        return [rule for rule, kept in rules.items() if not kept]

    def _profile(self, form: Mapping[str, str]) -> Reply:
        fields = {name: json.loads(text) for name, text in form.items() if name in ("get_started", "greeting")}
        if not fields or not 0 < len(fields.get("get_started", {}).get("payload", "x")) <= 1000:
            return graph_error(100, text="(#100) Invalid keys")
        if any(len(one["text"]) > 160 for one in fields.get("greeting", [])):
            self.wrong("a greeting above 160 characters")
        self.profile |= fields
        return Reply(200, {"result": "success"})


# ---------------------------------------------------------------- the clinic's own: webhook, Slack, FHIR


class Receiver(StandIn):
    """A clinic's own app that takes signed webhooks, written from the recipe in docs/webhooks.md and nothing else."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        self.secret = secret
        self.seen: set[str] = set()
        self.answer = 204

    def handle(self, call: Call) -> Reply:
        moment = call.headers.get("plateau-timestamp", "0")
        right = hmac.new(self.secret.encode(), moment.encode() + b"." + call.body, hashlib.sha256).hexdigest()
        given = call.headers.get("plateau-signature", "").split(",")
        if not any(hmac.compare_digest(f"v1={right}", one) for one in given) or abs(time.time() - int(moment)) > 300:
            self.wrong("a request that is not signed")
            return Reply(401)
        body = call.json()
        key = call.headers.get("idempotency-key") or body["id"]
        if key not in self.seen:
            self.seen.add(key)
            self.taken.append(body)
        return Reply(self.answer)


class SlackServer(StandIn):
    """Slack's incoming webhooks (docs.slack.dev/messaging/sending-messages-using-incoming-webhooks)."""

    @property
    def hook(self) -> str:
        return f"{self.url}/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"

    def handle(self, call: Call) -> Reply:
        if f"{self.url}{call.path}" != self.hook:
            return Reply(404, "no_service")
        try:
            text = call.json()["text"]
        except (ValueError, KeyError, TypeError):
            self.wrong("a message that is none")
            return Reply(400, "invalid_payload")
        if not text or len(text) > 40_000:
            self.wrong("a text that is empty or too long")
            return Reply(400, "no_text")
        self.taken.append(text)
        return Reply(200, "ok")


class FhirServer(StandIn):
    """A FHIR R4 server's transactions: hl7.org/fhir/R4/http.html#transaction; `stored` by what finds a resource."""

    def __init__(self, token: str | None) -> None:
        super().__init__()
        self.token = token
        self.stored: dict[str, dict[str, Any]] = {}

    def handle(self, call: Call) -> Reply:
        if self.token and call.headers.get("authorization") != f"Bearer {self.token}":
            return self._outcome(401, "login", "no token")
        if call.path != "/fhir":
            return self._outcome(404, "not-found", "unknown address")
        bundle = call.json()
        if broken := list(self._broken(call, bundle)):
            self.violations += broken
            return self._outcome(400, "invalid", broken[0])
        entries = [self._created(entry) for entry in bundle["entry"]]
        self.taken.append(bundle)
        return Reply(200, {"resourceType": "Bundle", "type": "transaction-response", "entry": entries})

    def _created(self, entry: dict[str, Any]) -> dict[str, Any]:
        found = f"{entry['request']['url']}?{entry['request']['ifNoneExist']}"
        status = "200 OK" if found in self.stored else "201 Created"
        self.stored.setdefault(found, entry["resource"])
        return {"response": {"status": status, "location": f"{entry['request']['url']}/{len(self.stored)}"}}

    def _broken(self, call: Call, bundle: Any) -> Iterator[str]:
        entries = bundle.get("entry", [])
        names = [entry.get("fullUrl", "") for entry in entries]
        if call.headers.get("content-type") != "application/fhir+json":
            yield "another type of content than application/fhir+json"
        if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "transaction":
            yield "no Bundle of type transaction"
        if len(set(names)) != len(names) or not all(re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", name) for name in names):
            yield "a fullUrl that is missing, there twice, or no urn:uuid"
        for entry in entries:
            request, resource = entry.get("request", {}), entry.get("resource", {})
            if request.get("method") != "POST" or request.get("url") != resource.get("resourceType"):
                yield "an entry whose request does not fit its resource"
            if "id" in resource:
                yield "an id in what the server is to create"
            if not self._finds(request.get("ifNoneExist", ""), resource):
                yield f"{resource.get('resourceType')}: ifNoneExist does not find the resource itself"
        if lost := {one for one in self._references(entries) if one not in names}:
            yield f"references to nothing in the Bundle: {len(lost)}"

    def _finds(self, query: str, resource: Mapping[str, Any]) -> bool:
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        if set(asked) == {"url", "version"}:
            return (asked["url"], asked["version"]) == (resource.get("url"), resource.get("version"))
        known = resource.get("identifier", [])
        ones = known if isinstance(known, list) else [known]
        # Between system and value stands the first bar without a backslash before it.
        parts = re.split(r"(?<!\\)\|", asked.get("identifier", ""), maxsplit=1)
        sought = tuple(re.sub(r"\\(.)", r"\1", part) for part in parts)
        return set(asked) == {"identifier"} and sought in [(one["system"], one["value"]) for one in ones]

    def _references(self, node: Any) -> Iterator[str]:
        if isinstance(node, list):
            for one in node:
                yield from self._references(one)
        elif isinstance(node, dict):
            for name, one in node.items():
                if name == "reference":
                    yield one
                else:
                    yield from self._references(one)

    def _outcome(self, status: int, code: str, text: str) -> Reply:
        issue = {"severity": "error", "code": code, "diagnostics": text}
        return Reply(status, {"resourceType": "OperationOutcome", "issue": [issue]})


# ---------------------------------------------------------------- a mail server


class MailServer:
    """A mail server on 127.0.0.1 that wants a login; `taken` has each message with its readers.

    `tls` is "starttls", "implicit" or None; `refuse` holds what is said to a command: {"RCPT": "550 no such user"}.
    """

    USER, PASSWORD = "plateau@clinic.example", "mail-password-0123"

    def __init__(self, tls: str | None, context: ssl.SSLContext | None = None) -> None:
        self.taken: list[tuple[list[str], EmailMessage]] = []
        self.refuse: dict[str, str] = {}
        self.encrypted: list[bool] = []
        more: dict[str, Any] = {
            "authenticator": self._login,
            "auth_require_tls": tls == "starttls",
            "auth_required": True,
        }
        if tls == "starttls":
            more |= {"tls_context": context, "require_starttls": True, "auth_required": True}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        secured = context if tls == "implicit" else None
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, ssl_context=secured, **more)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    def _login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        right = (data.login, data.password) == (self.USER.encode(), self.PASSWORD.encode())
        return AuthResult(success=right, handled=False)

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        envelope.mail_from = address
        return self.refuse.get("MAIL", "250 OK")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        refused = self.refuse.get("RCPT") or self.refuse.get(address)
        if refused is None:
            envelope.rcpt_tos.append(address)
        return refused or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if "DATA" not in self.refuse:
            message = message_from_bytes(envelope.content, policy=SMTP)
            self.taken.append((list(envelope.rcpt_tos), message))  # type: ignore[arg-type]
            self.encrypted.append(session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None)
        return self.refuse.get("DATA", "250 OK")


def certificate(folder: Any) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the TLS contexts of a server named localhost and of a client that trusts it; files go to `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(secret)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server, ssl.create_default_context(cafile=str(folder / "cert.pem"))
