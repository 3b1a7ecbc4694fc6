"""The platforms that a clinic has switched on, with their secrets from the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from plateau.channels import CHANNELS
from plateau.content import Clinic, SettingError
from plateau.server._settings import Settings, variable_of

from . import _messenger, _telegram, _twilio
from ._messenger import Messenger
from ._telegram import Telegram
from ._twilio import Twilio
from ._webhook import Webhook
from ._wire import Platform

_TWILIO = ("twilio_account", "twilio_token")
# By channel, the fields of Settings without which it cannot work.
SECRETS: Mapping[str, tuple[str, ...]] = {
    "sms": _TWILIO,
    "whatsapp": _TWILIO,
    "telegram": ("telegram_token", "telegram_secret"),
    "messenger": ("messenger_app_secret", "messenger_token", "messenger_verify"),
    "webhook": ("webhook_secrets",),
}


def path_of(channel: str) -> str:
    """Return the path at which a channel's platform posts to the gateway."""
    return f"/channels/{channel}"


def address_of(channel: str, clinic: Clinic) -> str | None:
    """Return the address to enter at the platform; None where the clinic has no `public_url`."""
    return None if clinic.public_url is None else clinic.public_url + path_of(channel)


def missing(channel: str, settings: Settings) -> list[str]:
    """Return the environment variables that a channel needs and that are not set."""
    return [variable_of(name) for name in SECRETS[channel] if not getattr(settings, name)]


def platforms(clinic: Clinic, settings: Settings) -> dict[str, Platform]:
    """Return the platforms of `channels` in clinic.yml by name; raises SettingError naming what is missing."""
    return {name: platform(name, clinic, settings) for name in CHANNELS if name in clinic.channels}


def platform(name: str, clinic: Clinic, settings: Settings) -> Platform:
    """Return one platform that is switched on; raises SettingError naming what is missing."""
    off = f"set it, or take {name} out of `channels` in clinic.yml"
    if clinic.public_url is None:
        raise SettingError(f"channels.{name} is switched on, but public_url is not set in clinic.yml; {off}")
    if lacking := missing(name, settings):
        raise SettingError(f"channels.{name} is switched on, but {lacking[0]} is not set; {off}")
    return _MAKERS[name](name, clinic, settings)


def _twilio_of(name: str, clinic: Clinic, settings: Settings) -> Platform:
    own: Mapping[str, Any] = clinic.channels[name]
    return Twilio(
        name,
        sender=own["from"],
        account=str(settings.twilio_account),
        token=str(settings.twilio_token),
        public_url=str(clinic.public_url),
        templates=own.get("templates"),
        api=settings.twilio_api or _twilio.API,
    )


def _telegram_of(name: str, clinic: Clinic, settings: Settings) -> Platform:
    return Telegram(
        token=str(settings.telegram_token),
        secret=str(settings.telegram_secret),
        api=settings.telegram_api or _telegram.API,
    )


def _messenger_of(name: str, clinic: Clinic, settings: Settings) -> Platform:
    return Messenger(
        page=clinic.channels[name]["page"],
        app_secret=str(settings.messenger_app_secret),
        token=str(settings.messenger_token),
        verify=str(settings.messenger_verify),
        api=settings.messenger_api or _messenger.API,
    )


def _webhook_of(name: str, clinic: Clinic, settings: Settings) -> Platform:
    return Webhook(url=clinic.channels[name]["url"], secrets=settings.webhook_secrets)


_MAKERS: Mapping[str, Callable[[str, Clinic, Settings], Platform]] = {
    "sms": _twilio_of,
    "whatsapp": _twilio_of,
    "telegram": _telegram_of,
    "messenger": _messenger_of,
    "webhook": _webhook_of,
}
