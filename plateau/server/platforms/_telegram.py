"""Telegram's Bot API (core.telegram.org/bots/api): updates in, methods out, both JSON."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from plateau.channels import Said

from ._http import MOST_WAIT, Web, packed
from ._proof import same
from ._reading import at, read_json, text_at, whole_at
from ._wire import EDITED, Arrived, Broken, Edit, Forged, Received, Refused, Unreachable

logger = logging.getLogger(__name__)

API = "https://api.telegram.org"
SECRET = "x-telegram-bot-api-secret-token"  # noqa: S105 - the header's name
# What the bot asks for; all else would only cost.
UPDATES = ("message", "edited_message", "callback_query", "my_chat_member")
# What a message may hold instead of words; a message with none of these either is one of Telegram's own.
WORDLESS = {
    "animation", "audio", "contact", "dice", "document", "game", "location", "paid_media", "photo", "poll", "sticker",
    "story", "venue", "video", "video_note", "voice", "checklist",
}  # fmt: skip
# Of its descriptions only these are repeated: others can quote the text.
KNOWN = (
    "BUTTON_DATA_INVALID",
    "bot was blocked by the user",
    "user is deactivated",
    "chat not found",
    "message is too long",
    "message text is empty",
    "message is not modified",
    "message to edit not found",
    "message can't be edited",
    "query is too old",
)
UNCHANGED, TOO_LATE = "message is not modified", "query is too old"


class TelegramRefused(Refused):
    """Telegram will not do this; `why` is one of KNOWN or empty."""

    def __init__(self, method: str, code: int, why: str) -> None:
        super().__init__(f"telegram: {method}: {why or 'refused'} (error {code})")
        self.why = why


class Telegram:
    """The clinic's bot; `secret` is what Telegram was told to send with each update."""

    name = "telegram"

    def __init__(self, *, token: str, secret: str, api: str = API, web: Web | None = None) -> None:
        self._token, self._secret, self._api = token, secret, api
        self._web = web or Web(self.name)

    def arrived(self, request: Received) -> Sequence[Arrived]:
        """Return the message, tap or change of mind in an update of a private chat; raises Forged or Broken."""
        if not same(request.headers.get(SECRET, ""), self._secret):
            raise Forged("X-Telegram-Bot-Api-Secret-Token is missing or wrong")
        update = read_json(request.body)
        # It grows by one with each update; after a week without any it begins anew, anywhere.
        number = whole_at(update, "update_id")
        if number is None:
            raise Broken("update_id is missing; allowed: a whole number")
        found = (
            _message(update.get("message"), number, "")
            or _message(update.get("edited_message"), number, EDITED)
            or _tap(update.get("callback_query"), number)
            or _member(update.get("my_chat_member"), number)
        )
        return (found,) if found else ()

    def greeting(self, request: Received) -> str | None:
        """Return None: Telegram does not check addresses."""
        return None

    async def send(self, address: str, message: Mapping[str, Any]) -> None:
        """Call the message's `method` (without one: sendMessage) for a chat; raises Unreachable or Refused."""
        fields = {name: value for name, value in message.items() if name != "method"}
        await self.call(message.get("method", "sendMessage"), {**fields, "chat_id": int(address)})

    async def redraw(self, address: str, edit: Edit, message: Mapping[str, Any] | None) -> None:
        """Stop the tapped button's clock, then change the message or its buttons; raises Unreachable or Refused."""
        try:
            await self.call("answerCallbackQuery", {"callback_query_id": edit.callback})
        except TelegramRefused as error:
            # It stands still by now.
            if error.why != TOO_LATE:
                raise
        if message is None:
            return
        fields = {name: value for name, value in message.items() if name != "method"}
        method = "editMessageText" if "text" in fields else "editMessageReplyMarkup"
        try:
            await self.call(method, {**fields, "chat_id": int(address), "message_id": int(edit.message)})
        except TelegramRefused as error:
            # It is as it should be: the same tap came twice.
            if error.why != UNCHANGED:
                raise

    async def call(self, method: str, fields: Mapping[str, Any]) -> Any:
        """Call a method and return its result; raises Unreachable or TelegramRefused."""
        answer = await self._web.answered(f"{self._api}/bot{self._token}/{method}", packed(fields))
        told = answer.json()
        if answer.taken and told.get("ok") is True:
            return told.get("result")
        code = whole_at(told, "error_code") or answer.status
        if code in (400, 403):
            description = text_at(told, "description") or ""
            raise TelegramRefused(method, code, next((known for known in KNOWN if known in description), ""))
        if code in (401, 404):
            logger.error("telegram: %s: the bot's token is wrong (error %s)", method, code)
        wait = whole_at(told, "parameters", "retry_after")
        raise Unreachable(f"telegram: {method}: error {code}", None if wait is None else min(float(wait), MOST_WAIT))

    async def close(self) -> None:
        """Let the connections go."""
        await self._web.close()


def _private(chat: Any) -> str | None:
    """Return the address of a private chat; in a group everybody would read the questions."""
    number = whole_at(chat, "id")
    return str(number) if number is not None and text_at(chat, "type") == "private" else None


def _message(message: Any, number: int, suffix: str) -> Arrived | None:
    address = _private(at(message, "chat"))
    if address is None or at(message, "from", "is_bot") is True:
        return None
    # Words beside a picture are words.
    text = text_at(message, "text") or text_at(message, "caption")
    if text is None and not WORDLESS & set(message):
        return None
    return Arrived(address, f"{number}{suffix}", Said(text=text or ""), order=number)


def _tap(query: Any, number: int) -> Arrived | None:
    address, callback, data = _private(at(query, "message", "chat")), text_at(query, "id"), text_at(query, "data")
    message = whole_at(query, "message", "message_id")
    if address is None or callback is None or data is None or message is None:
        return None
    return Arrived(address, str(number), Said(tap=data), order=number, edit=Edit(str(message), callback))


def _member(change: Any, number: int) -> Arrived | None:
    """Who blocks the bot has said stop, and who unblocks it start: without words."""
    address = _private(at(change, "chat"))
    now, before = text_at(change, "new_chat_member", "status"), text_at(change, "old_chat_member", "status")
    carrier = "stop" if now == "kicked" else "start" if now == "member" and before == "kicked" else None
    if address is None or carrier is None:
        return None
    return Arrived(address, str(number), Said(text=""), order=number, carrier=carrier)
