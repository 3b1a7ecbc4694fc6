"""Where the gateway finds its things; secrets come from the environment."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from plateau.content import SettingError
from plateau.server._logging import FORMS

# Shorter ones could be guessed.
TOKEN_CHARACTERS = 16
SECRET_CHARACTERS = 32
# Where nothing needs encryption: this machine itself.
LOCAL = re.compile(r"http://(127\.0\.0\.1|localhost)(:[0-9]{1,5})?(/.*)?")


@dataclass(frozen=True, slots=True)
class Settings:
    """The gateway's settings: paths, the database's URL (None: SQLite in `data`) and the limits on each caller.

    `turns_at_once` is how many messages one worker has in hand; `ready_seconds` how long a check of readiness counts.
    """

    model: str = "models/plateau.tar.gz"
    data: str = "var"
    web: str = "web"
    clinic: str | None = None
    database: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    clinic_key: str | None = field(default=None, repr=False)
    metrics_token: str | None = field(default=None, repr=False)
    log: str = "text"
    proxies: tuple[str, ...] = ()
    turns_per_minute: int = 60
    sessions_per_minute: int = 20
    turns_at_once: int = 200
    ready_seconds: float = 1.0
    twilio_account: str | None = field(default=None, repr=False)
    twilio_token: str | None = field(default=None, repr=False)
    twilio_api: str | None = None
    telegram_token: str | None = field(default=None, repr=False)
    telegram_secret: str | None = field(default=None, repr=False)
    telegram_api: str | None = None
    messenger_app_secret: str | None = field(default=None, repr=False)
    messenger_token: str | None = field(default=None, repr=False)
    messenger_verify: str | None = field(default=None, repr=False)
    messenger_api: str | None = None
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    staff_secrets: tuple[str, ...] = field(default=(), repr=False)
    smtp: str | None = field(default=None, repr=False)
    slack: str | None = field(default=None, repr=False)
    fhir_token: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the variables of READERS; raises SettingError for a value that is not allowed."""
        given = {
            name: read(variable, value)
            for name, (variable, read) in READERS.items()
            if (value := os.environ.get(variable))
        }
        return cls(**given)


def networks(variable: str, value: str) -> tuple[str, ...]:
    """Return the addresses and networks of a list with commas; raises SettingError, also for `*`."""
    found = tuple(part.strip() for part in value.split(",") if part.strip())
    for part in found:
        try:
            ipaddress.ip_network(part)
        except ValueError:
            allowed = "addresses or networks with commas between them, such as 127.0.0.1,10.0.0.0/8"
            raise SettingError(f"{variable}: {part!r} is no address or network; allowed: {allowed}") from None
    return found


def _text(variable: str, value: str) -> str:
    return value


def _token(variable: str, value: str, least: int = TOKEN_CHARACTERS) -> str:
    # Never the value itself: it is a secret.
    if len(value) < least or not value.isascii() or not value.isprintable():
        allowed = f"{least} or more printable ASCII characters"
        raise SettingError(f"{variable}: is too short or has other characters; allowed: {allowed}")
    return value


def _form(variable: str, value: str) -> str:
    if value not in FORMS:
        raise SettingError(f"{variable}: {value!r} is not a form of log; allowed: {', '.join(FORMS)}")
    return value


def _count(variable: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal() and 1 <= int(value[:10]) <= 1_000_000):
        raise SettingError(f"{variable}: {value!r} is not allowed; allowed: a whole number from 1 to 1000000")
    return int(value)


def _tokens(variable: str, value: str) -> tuple[str, ...]:
    """Return several secrets with commas between them, the one before and the one after a change."""
    return tuple(_token(variable, part.strip(), SECRET_CHARACTERS) for part in value.split(","))


def encrypted(variable: str, value: str) -> str:
    """Return an address without a slash at its end; raises SettingError where what is sent to it could be read."""
    if not value.startswith("https://") and not LOCAL.fullmatch(value):
        allowed = "an address that starts with https://, or with http://127.0.0.1 or http://localhost for tests"
        raise SettingError(f"{variable}: is not encrypted; allowed: {allowed}")
    return value.rstrip("/")


def _like(pattern: str, allowed: str) -> Callable[[str, str], str]:
    def read(variable: str, value: str) -> str:
        # Never the value itself: it is a secret, or stands beside one.
        if not re.fullmatch(pattern, value):
            raise SettingError(f"{variable}: is not of the right form; allowed: {allowed}")
        return value

    return read


# By the field of Settings: the variable it is read from, and how.
READERS: Mapping[str, tuple[str, Callable[[str, str], Any]]] = {
    "model": ("PLATEAU_MODEL", _text),
    "data": ("PLATEAU_DATA", _text),
    "clinic": ("PLATEAU_CLINIC", _text),
    "database": ("PLATEAU_DATABASE", _text),
    "secret": ("PLATEAU_SECRET", _text),
    "clinic_key": ("PLATEAU_CLINIC_KEY", _text),
    "metrics_token": ("PLATEAU_METRICS_TOKEN", _token),
    "log": ("PLATEAU_LOG", _form),
    "proxies": ("PLATEAU_PROXIES", networks),
    "turns_per_minute": ("PLATEAU_TURNS_PER_MINUTE", _count),
    "sessions_per_minute": ("PLATEAU_SESSIONS_PER_MINUTE", _count),
    "turns_at_once": ("PLATEAU_TURNS_AT_ONCE", _count),
    "twilio_account": ("PLATEAU_TWILIO_ACCOUNT_SID", _like("AC[0-9a-f]{32}", "AC and 32 hexadecimal digits")),
    "twilio_token": ("PLATEAU_TWILIO_AUTH_TOKEN", _token),
    "twilio_api": ("PLATEAU_TWILIO_API", encrypted),
    "telegram_token": (
        "PLATEAU_TELEGRAM_TOKEN",
        _like("[0-9]{5,20}:[A-Za-z0-9_-]{30,60}", "a bot's token, digits:letters"),
    ),
    "telegram_secret": (
        "PLATEAU_TELEGRAM_SECRET",
        _like(f"[A-Za-z0-9_-]{{{TOKEN_CHARACTERS},256}}", f"{TOKEN_CHARACTERS} to 256 letters, digits, - and _"),
    ),
    "telegram_api": ("PLATEAU_TELEGRAM_API", encrypted),
    "messenger_app_secret": ("PLATEAU_MESSENGER_APP_SECRET", _token),
    "messenger_token": ("PLATEAU_MESSENGER_TOKEN", _token),
    "messenger_verify": ("PLATEAU_MESSENGER_VERIFY", _token),
    "messenger_api": ("PLATEAU_MESSENGER_API", encrypted),
    "webhook_secrets": ("PLATEAU_WEBHOOK_SECRET", _tokens),
    "staff_secrets": ("PLATEAU_STAFF_SECRET", _tokens),
    "smtp": (
        "PLATEAU_SMTP_URL",
        _like("smtps?://([^@/]+@)?[^@/:?#]+(:[0-9]{1,5})?/?", "smtp://user:password@host:587, or smtps://...:465"),
    ),
    "slack": ("PLATEAU_SLACK_URL", encrypted),
    "fhir_token": ("PLATEAU_FHIR_TOKEN", _token),
}


def variable_of(name: str) -> str:
    """Return the environment variable that a field of Settings is read from."""
    return READERS[name][0]
