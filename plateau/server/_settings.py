"""Where the gateway finds its things; secrets come from the environment."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from plateau.content import SettingError
from plateau.server._logging import FORMS

# Shorter ones could be guessed.
TOKEN_CHARACTERS = 16


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

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the variables below; raises SettingError for a value that is not allowed."""
        readers: Mapping[str, tuple[str, Any]] = {
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
        }
        given = {
            name: read(variable, value)
            for name, (variable, read) in readers.items()
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


def _token(variable: str, value: str) -> str:
    # Never the value itself: it is a secret.
    if len(value) < TOKEN_CHARACTERS or not value.isascii() or not value.isprintable():
        allowed = f"{TOKEN_CHARACTERS} or more printable ASCII characters"
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
