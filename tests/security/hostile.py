"""Hostile input of every family, the same for the same seed: bytes for the gateway, files for the command line."""

from __future__ import annotations

import base64
import json
import random
import string
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from real_server import request

from plateau.channels import COMMANDS
from plateau.protocol import QUESTIONS

LARGE = 1024 * 1024
PAYLOADS = (
    "/restart",
    " /restart",
    "\t/restart",
    "\u00a0/restart",
    "\ufeff/restart",
    "\u200b/restart",
    "\u3000/restart",
    "\u2060/restart",
    "／restart",
    "⁄restart",
    "∕restart",
    "/session_start",
    "/back",
    "/nlu_fallback",
    "/out_of_scope",
    '/inform{"pain":[1]}',
    '/answer{"consent":"no"}',
    '/correct_answer{"change":"consent"}',
    "/inform@0.2",
    '/flag_mistake{"red_flags":[]}',
    "/restart_confirmed",
    "/action_listen",
    "/EXTERNAL: x",
    '/answer{"a":' + "[" * 900,
    "\x00/restart",
    "\ud800/restart",
    "/\u202erestart",
    "//restart",
    "/restart\n/restart",
    "/ restart",
)
INJECTIONS = (
    "'; DROP TABLE events; --",
    '" OR ""="',
    "1; SELECT pg_sleep(9)",
    "') UNION SELECT digest FROM codes --",
    "%s%s%s%n%x",
    "{0}{clinic}{__class__}",
    "{{7*7}}",
    "{% for x in ().__class__.__base__.__subclasses__() %}x{% endfor %}",
    "${jndi:ldap://x/a}",
    "$(id)",
    "`id`",
    "| id",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "]]><!ENTITY x SYSTEM 'file:///etc/passwd'>",
    "#set($x=1)",
    "=cmd|' /C calc'!A0",
    "\\x00",
    "#eval(1)",
    "$ 1/0 $",
    "http://169.254.169.254/latest/meta-data/",
    "*" * 500,
    "(" * 1500,
    "a" * 1999 + "!",
    "((a+)+)+$",
    "1" * 1999,
    "0x" + "f" * 500,
    "1e308 1e-308 -0 +∞ NaN",
    "\r\nSet-Cookie: a=b",
    "\x1b[31mred\x1b[0m\x07",
)
PLANES = (
    (0x00, 0x1F),
    (0x20, 0x7E),
    (0x80, 0x24F),
    (0x300, 0x36F),
    (0x590, 0x6FF),
    (0x900, 0xDFF),
    (0x2000, 0x206F),
    (0x3040, 0x30FF),
    (0x4E00, 0x4FFF),
    (0xD800, 0xDFFF),
    (0xE000, 0xE0FF),
    (0xFE00, 0xFE0F),
    (0xFFF0, 0xFFFF),
    (0x1D400, 0x1D7FF),
    (0x1F300, 0x1F9FF),
    (0x20000, 0x200FF),
    (0xE0000, 0xE007F),
    (0x10FF00, 0x10FFFF),
)
TRAVERSALS = (
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/var/secret",
    "..\\..\\var\\secret",
    "....//....//secret",
    "..%c0%af..%c0%afsecret",
    "%252e%252e%252fsecret",
    "plateau-chat.js%00.txt",
    "plateau-chat-1-00000000.js",
    ".%00/secret",
    "/etc/passwd",
    "C:\\secret",
    "plateau.db",
    "secret",
    "..;/secret",
    "plateau-chat.js/..",
    "\u2025/secret",
    "CON",
    "a" * 4000,
)
GET = ("/api/resume", "/api/pictures", "/api/figure", "/api/words", "/", "/demo", "/health", "/report.css")
POST = ("/api/session", "/api/turn", "/api/forget", "/api/handout")
WITH_TOKEN = (("POST", "/api/turn"), ("GET", "/api/resume"), ("POST", "/api/handout"), ("GET", "/api/pictures"))
CRLF = "\r\n"


@dataclass(frozen=True, slots=True)
class Attack:
    """One hostile input: the bytes, and what may come back.

    `turn` is the message id where the server may take it as a turn, whose words are `payload`s for Rasa or not;
    `begins` where it may begin a conversation; `drops` where the connection may be closed without an answer.
    """

    family: str
    raw: bytes
    turn: str | None = None
    payload: bool = False
    begins: bool = False
    drops: bool = False
    pieces: int = 1


@dataclass(frozen=True, slots=True)
class Known:
    """What the attacker has: a conversation's token of their own, one that was deleted, and a stranger's id."""

    token: str
    forgotten: str
    stranger: str


def attacks(seed: int, known: Callable[[], Known]) -> Iterator[Attack]:
    """Yield hostile inputs without end; `known` is asked anew for each."""
    chance = random.Random(seed)
    families = [
        _words,
        _words,
        _words,
        _payload,
        _shape,
        _shape,
        _shape,
        _body,
        _token,
        _path,
        _method,
        _header,
        _beginning,
        _link,
        _wire,
    ]
    number = 0
    while True:
        number += 1
        yield chance.choice(families)(chance, known(), f"h{number}")


def odd_text(chance: random.Random, most: int = 300) -> str:
    """Text of several Unicode planes, lone surrogates, controls and bidirectional marks among it."""
    first, last = chance.choice(PLANES)
    pick = chance.random()
    length = chance.randint(1, most)
    if pick < 0.5:
        return "".join(chr(chance.randint(first, last)) for _ in range(length))
    if pick < 0.8:
        return "".join(chr(chance.randint(*chance.choice(PLANES))) for _ in range(length))
    plain = chance.choice((*INJECTIONS, "none of these", "my knee hurts", "7", "yes"))
    return unicodedata.normalize(chance.choice(("NFD", "NFKD")), plain) + chr(chance.randint(first, last)) * 3


def odd_value(chance: random.Random, depth: int = 0) -> Any:
    """Any JSON value, and some that JSON does not know."""
    pick = chance.randrange(14 if depth < 3 else 10)
    plain: tuple[Any, ...] = (
        None,
        True,
        False,
        0,
        -1,
        2**63,
        -(2**70),
        1.5,
        1e308,
        "",
        "none",
        "skipped",
        "unknown",
        odd_text(chance, 20),
        float("nan"),
        float("inf"),
        chance.choice(INJECTIONS),
        "a" * 3000,
    )
    if pick < 10:
        return chance.choice(plain)
    if pick < 12:
        return [odd_value(chance, depth + 1) for _ in range(chance.randint(0, 4))]
    keys = ("id", "tier", "state", "activity", "score", "name", "__proto__", "$ref", odd_text(chance, 5))
    return {chance.choice(keys): odd_value(chance, depth + 1) for _ in range(chance.randint(0, 4))}


def _dump(value: Any) -> bytes:
    # Lone surrogates go as escapes, as a hostile client would send them; half the time the rest goes as it is.
    return json.dumps(value).encode()


def _bearer(token: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {token}")


def _post(family: str, known: Known, body: bytes, **more: Any) -> Attack:
    return Attack(family, request("POST", "/api/turn", body, [_bearer(known.token)]), **more)


def _words(chance: random.Random, known: Known, number: str) -> Attack:
    text = chance.choice(INJECTIONS) if chance.random() < 0.3 else odd_text(chance)
    return _post("words", known, _dump({"id": number, "text": text}), turn=number)


def _payload(chance: random.Random, known: Known, number: str) -> Attack:
    text = chance.choice(PAYLOADS)
    if chance.random() < 0.3:
        text = "".join(chr(chance.choice((0x20, 0xA0, 0xFEFF, 0x200B, 0x2060, 0x3000, 0x9))) for _ in range(3)) + text
    return _post("payload", known, _dump({"id": number, "text": text}), turn=number, payload=True)


def _shape(chance: random.Random, known: Known, number: str) -> Attack:
    """A message of the right fields with wrong contents."""
    question = chance.choice((*QUESTIONS, "requested_slot", "red_flags", "__class__", odd_text(chance, 8)))
    known_values = QUESTIONS[question].values if question in QUESTIONS else ()
    good = chance.choice(known_values) if known_values and chance.random() < 0.5 else odd_value(chance)
    message: dict[str, Any] = {"id": number}
    pick = chance.randrange(6)
    if pick == 0:
        message |= {"text": odd_value(chance)}
    elif pick in (1, 2):
        message |= {"answers": {question: chance.choice((good, [good], odd_value(chance)))}}
    elif pick == 3:
        # None of the moves that a patient may always make.
        names = ("confirm", "change", "start", "sudo", *COMMANDS[:1], odd_value(chance))
        message |= {"command": {"name": chance.choice(names), "question": chance.choice((question, odd_value(chance)))}}
    elif pick == 4:
        message |= {"answers": odd_value(chance), "after": odd_value(chance)}
    else:
        message = {
            chance.choice(("id", "text", "answers", "command", "after", "sender", "metadata")): odd_value(chance)
            for _ in range(chance.randint(0, 6))
        }
    identifier = message.get("id")
    taken = identifier if isinstance(identifier, str) else None
    return _post("shape", known, _dump(message), turn=taken)


def _body(chance: random.Random, known: Known, number: str) -> Attack:
    """Bodies that are no message: too large, too deep, not UTF-8, cut off, of other kinds, in chunks."""
    good = _dump({"id": number, "text": "hello"})
    bodies: tuple[bytes, ...] = (
        b"a" * LARGE,
        b"[" * 15_000,
        b'{"a":' * 3000,
        b"\xff\xfe" + good,
        b"\xc0\xaf",
        good[:-3],
        b"\xef\xbb\xbf" + good,
        good.decode().encode("utf-16"),
        good.decode().encode("utf-32-le"),
        b"id=1&text=hello",
        b"<a/>",
        b"null",
        b"-",
        b"1" * 9000,
        b'{"id":"a","id":"b"}',
        b'{"text":"\\ud83d"}',
        b"\x00" * 100,
        bytes(chance.randrange(256) for _ in range(200)),
        json.dumps({"id": number, "text": "x" * 15_000}).encode(),
        b'{"id":"1","text":"' + b"\xed\xa0\x80" + b'"}',
    )
    body = chance.choice(bodies)
    if chance.random() < 0.3:
        cut = chance.randrange(len(good))
        body = good[:cut] + bytes([chance.randrange(256)]) + good[cut + chance.randrange(2) :]
    headers = [
        _bearer(known.token),
        ("Content-Type", chance.choice(("application/json", "text/xml", odd_ascii(chance)))),
    ]
    if chance.random() < 0.3:
        sizes = f"{len(body):x}"
        chunked = sizes.encode() + b"\r\n" + body + b"\r\n0\r\n\r\n"
        raw = request("POST", "/api/turn", chunked, [*headers, ("Transfer-Encoding", "chunked")])
        return Attack("body", raw, turn=_id_in(body), drops=True, pieces=chance.choice((1, 3)))
    # One byte changed in a good message may leave a good message, under another id too.
    return Attack("body", request("POST", "/api/turn", body, headers), turn=_id_in(body), drops=len(body) > 60_000)


def _id_in(body: bytes) -> str | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found.get("id") if isinstance(found, dict) and isinstance(found.get("id"), str) else None


def odd_ascii(chance: random.Random) -> str:
    return "".join(chance.choice(string.printable[:94]) for _ in range(chance.randint(1, 60)))


def _token(chance: random.Random, known: Known, number: str) -> Attack:
    """Tokens that are not one's own, or not any."""
    head, _, rest = known.token.partition(".")
    place = chance.randrange(len(known.token) - 1)
    changed = known.token[:place] + chr(ord(known.token[place]) ^ 1) + known.token[place + 1 :]
    stranger = base64.urlsafe_b64encode(json.dumps(known.stranger).encode()).decode().rstrip("=")
    empty = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    wrong = chance.choice(
        (
            f"Bearer {changed}",
            f"Bearer {stranger}.{rest}",
            f"Bearer {head}",
            f"Bearer .{rest}",
            "Bearer",
            "Bearer ",
            "",
            f"Bearer {known.forgotten}",
            f"Basic {known.token}",
            f"Bearer {empty}.{stranger}.",
            f"Bearer {known.token}x",
            f"Bearer {known.stranger}",
            f"Bearer {known.token * 60}",
            f"Bearer {chance.choice(INJECTIONS).splitlines()[0]}",
            f"Bearer {odd_ascii(chance)}",
            f"Token {known.token}",
            f"Bearer {head}.{head}.{head}",
            "Bearer \x80\xff",
        )
    )
    method, path = chance.choice(WITH_TOKEN)
    body = _dump({"id": number, "text": "hello"}) if path == "/api/turn" else b""
    return Attack("token", request(method, path, body, [("Authorization", wrong)]), drops=True)


def _path(chance: random.Random, known: Known, number: str) -> Attack:
    place = chance.choice(("/component/", "/", "/icons/", "/plan/", "/summary/", "/api/", "/component/..%2f"))
    tail = chance.choice(TRAVERSALS) if chance.random() < 0.7 else odd_text(chance, 30)
    tail = tail.replace(" ", "%20").replace("\r", "").replace("\n", "")
    query = chance.choice(("", "?a=1", "?" + "a=1&" * 500, "?%00", "#x"))
    return Attack("path", request("GET", f"{place}{_safe(tail)}{query}"), drops=True)


def _safe(text: str) -> str:
    return text.encode("utf-8", "ignore").decode()


def _method(chance: random.Random, known: Known, number: str) -> Attack:
    methods = ("PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "HEAD", "OPTIONS", "PROPFIND", "get", "FOO", "GET", "POST")
    method = chance.choice(methods)
    # A POST where POST belongs would be an order of the patient's own.
    path = chance.choice(GET if method == "POST" else (*GET, *POST, "/nothing", "*"))
    return Attack("method", request(method, path, b"", [_bearer(known.token)]), drops=True)


def _header(chance: random.Random, known: Known, number: str) -> Attack:
    strange: tuple[tuple[str, str], ...] = (
        ("X-A", "a" * 70_000),
        ("Origin", "null"),
        ("Origin", "https://evil.example"),
        ("Origin", odd_ascii(chance)),
        ("Host", "evil.example"),
        ("X-Forwarded-For", "127.0.0.1, ::1"),
        ("X-Forwarded-Host", "evil"),
        ("Cookie", "token=a; " * 400),
        ("Content-Length", "-1"),
        ("Content-Length", "abc"),
        ("Content-Encoding", "gzip"),
        ("Expect", "100-continue"),
        ("Upgrade", "websocket"),
        ("Range", "bytes=0-1,2-3,-1"),
        ("Accept-Encoding", "gzip;q=0.0.0, *;q="),
        ("If-None-Match", '"' * 3000),
        ("Accept", odd_ascii(chance)),
        ("X-Http-Method-Override", "DELETE"),
        ("Content-Type", odd_ascii(chance)),
        ("If-Modified-Since", "yesterday"),
        ("Sec-WebSocket-Version", "13"),
        ("X\u00e9", "\u00e9"),
        ("X A", "b"),
        ("X-A", "b\r\n c"),
        ("Transfer-Encoding", "gzip"),
    )
    headers = [*chance.sample(strange, chance.randint(1, 3))]
    if chance.random() < 0.1:
        headers += [(f"X-{n}", "b") for n in range(2000)]
    path = chance.choice((*GET, "/component/plateau-chat.js", "/page.css"))
    return Attack("header", request("GET", path, b"", [_bearer(known.token), *headers]), drops=True)


def _beginning(chance: random.Random, known: Known, number: str) -> Attack:
    """Codes that are guessed and clinic tokens that are forged."""
    claims = {"sub": chance.choice(("p1", "", " ", ["p1"], {"a": 1}, 7, None)), "aud": "plateau", "exp": 9_999_999_999}
    parts = [
        _dump(part)
        for part in ({"alg": chance.choice(("none", "None", "HS256", "HS512", "RS256")), "typ": "JWT"}, claims)
    ]
    forged = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    code = "".join(chance.choice("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for _ in range(12))
    body = chance.choice(
        (
            {"patient": f"{forged}."},
            {"patient": f"{forged}.c2ln"},
            {"patient": forged},
            {"patient": "." * 2000},
            {"patient": "a" * 2048},
            {"patient": odd_text(chance)},
            {"code": code},
            {"code": code.lower()},
            {"code": odd_text(chance, 40)},
            {"code": "ſ" * 12},
            {"code": "０" * 12},
            {"code": odd_value(chance)},
            {"code": code, "patient": "x"},
            {"id": known.stranger},
            {"code": "' OR 1=1 --"},
            {"code": "a" * 2048},
            {"patient": odd_value(chance)},
            [],
            "x",
            7,
            {"code": None},
            {"conversation": known.stranger},
        )
    )
    return Attack("beginning", request("POST", "/api/session", _dump(body)))


def _link(chance: random.Random, known: Known, number: str) -> Attack:
    guess = chance.choice(
        (base64.urlsafe_b64encode(chance.randbytes(32)).decode().rstrip("="), odd_ascii(chance), known.stranger)
    )
    tail = chance.choice(("", "/pdf", "/calendar", "/fhir", "/zip", "/", "/pdf/pdf", "/%2e%2e"))
    path = f"/{chance.choice(('plan', 'summary'))}/{guess.replace(' ', '')}{tail}"
    return Attack("link", request("GET", path), drops=True)


def _wire(chance: random.Random, known: Known, number: str) -> Attack:
    """What is no HTTP, or two things at once."""
    smuggled = f"POST /api/forget HTTP/1.1{CRLF}Host: a{CRLF}Content-Length: 0{CRLF}{CRLF}"
    both = [("Content-Length", str(len(smuggled))), ("Transfer-Encoding", "chunked")]
    raw = chance.choice(
        (
            chance.randbytes(300),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(200),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET / HTTP/1.0\r\n\r\n",
            b"GET /\r\n\r\n",
            b"\r\n" * 50 + b"\r\nx\r\n\r\n",
            b"GET  /  HTTP/1.1\r\n\r\n",
            request("GET", "/" + "a" * 70_000),
            request("POST", "/api/turn", b"zz\r\nhello", [("Transfer-Encoding", "chunked")]),
            request("POST", "/api/turn", f"0{CRLF}{CRLF}{smuggled}".encode(), both),
            b"GET / HTTP/1.1\nHost: a\n\n",
            request("POST", "/api/turn", b"ffffffffffffffffff\r\n", [("Transfer-Encoding", "chunked")]),
            request("GET", "http://evil.example/api/resume"),
            request("GET", "/a\x00b"),
            request("GET", "/\x7f"),
            b"GET / HTTP/1.1\r\nHost\r\n\r\n",
        )
    )
    return Attack("wire", raw, drops=True)
