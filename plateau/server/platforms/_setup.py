"""What is laid down at a platform once: where it posts to, its start button, WhatsApp's templates. Safe to repeat."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from plateau.content import Catalog, Clinic, SettingError
from plateau.server._settings import Settings

from ._factory import address_of, platform
from ._http import Answer, Web, packed
from ._messenger import START, Messenger
from ._reading import text_at, things_at
from ._telegram import UPDATES, Telegram
from ._wire import Refused, Unreachable

CONTENT_API = "https://content.twilio.com"
# How many options a template of each kind may have; more buttons need WhatsApp's approval.
BUTTONS, ROWS = range(1, 4), range(2, 11)
# Of these Messenger is to tell; docs: Messenger Platform, "Subscribe to webhooks".
FIELDS = ("messages", "messaging_postbacks", "messaging_referrals", "message_edits")
MOST_PAGES = 20


async def set_up(name: str, clinic: Clinic, settings: Settings, words: Catalog) -> dict[str, Any]:
    """Set a channel up at its platform and return what to know of it; raises SettingError, Unreachable or Refused."""
    if name not in clinic.channels:
        raise SettingError(f"channels.{name} is not switched on in clinic.yml")
    if name not in _SETTING_UP:
        address = address_of(name, clinic)
        raise SettingError(f"{name}: nothing is set up from here; enter {address} there, docs/channels-set-up.md")
    return await _SETTING_UP[name](clinic, settings, words)


async def _telegram(clinic: Clinic, settings: Settings, words: Catalog) -> dict[str, Any]:
    bot = platform("telegram", clinic, settings)
    assert isinstance(bot, Telegram)  # noqa: S101 - what `platform` makes
    try:
        await check_bot(bot, clinic.channels["telegram"]["bot"])
        address = str(address_of("telegram", clinic))
        await set_webhook(bot, address, str(settings.telegram_secret))
    finally:
        await bot.close()
    return {"webhook": address, "updates": list(UPDATES)}


async def check_bot(bot: Telegram, name: str) -> None:
    """Return where the token is that of the bot in clinic.yml; raises SettingError, Unreachable or Refused."""
    own = text_at(await bot.call("getMe", {}), "username") or ""
    # Telegram's names do not know big letters from small ones.
    if own.lower() != name.lower():
        raise SettingError(f"channels.telegram.bot: {name!r} is not the bot of PLATEAU_TELEGRAM_TOKEN; that is {own!r}")


async def set_webhook(bot: Telegram, address: str, secret: str) -> None:
    """Tell Telegram where to post, and with what secret; what waits is not dropped. Raises Unreachable or Refused."""
    told = {"url": address, "secret_token": secret, "allowed_updates": list(UPDATES), "drop_pending_updates": False}
    await bot.call("setWebhook", told)


async def _messenger(clinic: Clinic, settings: Settings, words: Catalog) -> dict[str, Any]:
    page = platform("messenger", clinic, settings)
    assert isinstance(page, Messenger)  # noqa: S101 - what `platform` makes
    own = clinic.channels["messenger"]["page"]
    try:
        await page.call(f"{own}/subscribed_apps", {"subscribed_fields": ",".join(FIELDS)})
        await page.call("me/messenger_profile", {"get_started": {"payload": START}})
    finally:
        await page.close()
    return {"webhook": address_of("messenger", clinic), "fields": list(FIELDS)}


async def _whatsapp(clinic: Clinic, settings: Settings, words: Catalog) -> dict[str, Any]:
    # Made only to check that all is set.
    await platform("whatsapp", clinic, settings).close()
    account = (str(settings.twilio_account), str(settings.twilio_token))
    web = Web("whatsapp")
    try:
        ours = Templates(web, settings.twilio_api or CONTENT_API, account)
        made = await ours.laid_down(templates(words.get("set_up.whatsapp_list")), words.language)
    finally:
        await web.close()
    return {"webhook": address_of("whatsapp", clinic), "templates": made}


def templates(choose: str) -> dict[str, dict[str, Any]]:
    """Return the Content types of each template by the name it has in clinic.yml; `choose` opens a list.

    Variable 1 is the text, then come title and data of each option, as `plateau.channels` fills them in.
    """
    pairs = [(f"{{{{{at}}}}}", f"{{{{{at + 1}}}}}") for at in range(2, 2 * max(ROWS) + 1, 2)]
    made: dict[str, dict[str, Any]] = {}
    for count in BUTTONS:
        actions = [{"type": "QUICK_REPLY", "title": title, "id": data} for title, data in pairs[:count]]
        made[f"buttons_{count}"] = {"twilio/quick-reply": {"body": "{{1}}", "actions": actions}}
    for count in ROWS:
        items = [{"item": title, "id": data} for title, data in pairs[:count]]
        made[f"list_{count}"] = {"twilio/list-picker": {"body": "{{1}}", "button": choose, "items": items}}
    return made


class Templates:
    """The Content API of an account: twilio.com/docs/content/content-api-resources."""

    def __init__(self, web: Web, api: str, account: tuple[str, str]) -> None:
        self._web, self._api, self._account = web, api, account

    async def laid_down(self, wanted: Mapping[str, Mapping[str, Any]], language: str) -> dict[str, str]:
        """Return the id of each template, made where it is not there yet; raises Unreachable or Refused."""
        there = await self._there()
        made = {}
        for name, types in wanted.items():
            known = _known_as(name, types, language)
            made[name] = there.get(known) or await self._make(known, types, language)
        return made

    async def _there(self) -> dict[str, str]:
        found: dict[str, str] = {}
        url: str | None = f"{self._api}/v1/Content?PageSize=100"
        for _ in range(MOST_PAGES):
            # The credentials go nowhere but to Twilio.
            if url is None or not url.startswith(f"{self._api}/"):
                break
            told = _checked(await self._web.get(url, self._account))
            for one in things_at(told, "contents"):
                found[text_at(one, "friendly_name") or ""] = text_at(one, "sid") or ""
            url = text_at(told, "meta", "next_page_url")
        return found

    async def _make(self, known: str, types: Mapping[str, Any], language: str) -> str:
        # Twilio wants a sample of each variable, and none may be empty.
        count = json.dumps(types).count("{{")
        samples = {str(at): str(at) for at in range(1, count + 1)}
        body = packed({"friendly_name": known, "language": language, "variables": samples, "types": types})
        answer = await self._web.answered(f"{self._api}/v1/Content", body, auth=self._account)
        return str(_checked(answer)["sid"])


def _known_as(name: str, types: Mapping[str, Any], language: str) -> str:
    # Another text makes another template, for one that is there cannot be changed.
    mark = hashlib.sha256(json.dumps([types, language], sort_keys=True).encode()).hexdigest()[:8]
    return f"plateau_{name}_{mark}"


def _checked(answer: Answer) -> dict[str, Any]:
    told = answer.json()
    if answer.taken and told:
        return told
    code = told.get("code")
    if answer.status in (401, 403):
        raise Refused(f"whatsapp: PLATEAU_TWILIO_ACCOUNT_SID or PLATEAU_TWILIO_AUTH_TOKEN is wrong (error {code})")
    if 400 <= answer.status < 429:
        raise Refused(f"whatsapp: Twilio refused (HTTP {answer.status}, error {code})")
    raise Unreachable(f"whatsapp: answered {answer.status}")


_SETTING_UP: Mapping[str, Callable[[Clinic, Settings, Catalog], Awaitable[dict[str, Any]]]] = {
    "telegram": _telegram,
    "messenger": _messenger,
    "whatsapp": _whatsapp,
}
