"""The ways to staff that a clinic has set up, with their secrets from the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from plateau.content import Clinic, SettingError
from plateau.server._settings import Settings, variable_of

from ._email import Email
from ._fhir import Fhir
from ._post import Post
from ._sender import Sender
from ._slack import Slack

# By way, the fields of Settings without which it cannot work; a FHIR server may want no token.
SECRETS: Mapping[str, tuple[str, ...]] = {
    "email": ("smtp",),
    "webhook": ("staff_secrets",),
    "slack": ("slack",),
    "fhir": (),
}

WAYS = tuple(SECRETS)


def lacking(way: str, settings: Settings) -> list[str]:
    """Return the environment variables that a way needs and that are not set."""
    return [variable_of(name) for name in SECRETS[way] if not getattr(settings, name)]


def senders(clinic: Clinic, settings: Settings) -> dict[str, Sender]:
    """Return the ways of `staff` in clinic.yml by name; raises SettingError naming what is missing."""
    return {way: _sender(way, clinic, settings) for way in _MAKERS if clinic.staff.get(way)}


def _sender(way: str, clinic: Clinic, settings: Settings) -> Sender:
    if missing := lacking(way, settings):
        off = f"set it, or take {way} out of `staff` in clinic.yml"
        raise SettingError(f"staff.{way} is set, but {missing[0]} is not set; {off}")
    return _MAKERS[way](clinic, settings)


def _email(clinic: Clinic, settings: Settings) -> Sender:
    sender = clinic.staff.get("email_from")
    if sender is None:
        raise SettingError(
            "staff.email is set, but staff.email_from is not; set it to the address that letters are from"
        )
    return Email(str(settings.smtp), sender, clinic.staff["email"])


def _post(clinic: Clinic, settings: Settings) -> Sender:
    return Post(clinic.staff["webhook"], settings.staff_secrets)


def _slack(clinic: Clinic, settings: Settings) -> Sender:
    return Slack(str(settings.slack))


def _fhir(clinic: Clinic, settings: Settings) -> Sender:
    return Fhir(clinic.staff["fhir"], settings.fhir_token)


_MAKERS: Mapping[str, Callable[[Clinic, Settings], Sender]] = {
    "email": _email,
    "webhook": _post,
    "slack": _slack,
    "fhir": _fhir,
}
