"""The signed webhook: any app of the clinic's own, such as its portal; `docs/webhooks.md` has format and recipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from plateau.channels import Said
from plateau.server._settings import encrypted

from ._http import JSON, Answer, Web, packed
from ._proof import signed, verify
from ._reading import read_json, text_at, whole_at
from ._wire import Arrived, Broken, Edit, Received, Refused, Unreachable

# Characters of the app's own name for a patient, and of its name for a message.
MOST_NAME = 128
FIELDS = ("from", "id", "text", "tap", "order")
# Of 4xx those that pass: the request came too slowly, too early or too often.
PASSING = (408, 425, 429)


class Webhook:
    """The clinic's own app at `url`. Each of `secrets` is taken, and each signs, so that one can replace another."""

    name = "webhook"

    def __init__(
        self, *, url: str, secrets: Sequence[str], web: Web | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._url = encrypted("channels.webhook.url", url)
        self._secrets, self._clock = tuple(secrets), clock
        self._web = web or Web(self.name)

    def arrived(self, request: Received) -> Sequence[Arrived]:
        """Return the one message of a post; raises Forged or Broken."""
        verify(self._secrets, self._clock(), request.headers, request.body)
        body = read_json(request.body)
        if unknown := set(body) - set(FIELDS):
            raise Broken(f"{len(unknown)} fields are not known; allowed: {', '.join(FIELDS)}")
        address, message = _named(body, "from"), _named(body, "id")
        text, tap = text_at(body, "text"), text_at(body, "tap")
        if (text is None) == (tap is None) or {"text", "tap"} <= set(body):
            raise Broken("one of `text` and `tap` is needed; allowed: exactly one of the two, a text")
        return (Arrived(address, message, Said(text=text, tap=tap), order=whole_at(body, "order")),)

    def greeting(self, request: Received) -> str | None:
        """Return None: there is no check of the address."""
        return None

    async def send(self, address: str, message: Mapping[str, Any]) -> None:
        """Post `to`, `id` and the message; raises Unreachable or Refused.

        The same message again has the same `id`: its own, or a digest of it, for a turn has a number.
        """
        told = {**message, "to": address}
        body = packed({**told, "id": message.get("id") or sha256(packed(told)).hexdigest()})
        answer = await post_signed(self._web, self._url, self._secrets, self._clock(), body)
        refuse_unless_taken(self.name, answer)

    async def redraw(self, address: str, edit: Edit, message: Mapping[str, Any] | None) -> None:
        """Send anew what was to be drawn anew; the app draws as it likes."""
        if message is not None:
            await self.send(address, message)

    async def close(self) -> None:
        """Let the connections go."""
        await self._web.close()


async def post_signed(
    web: Web, url: str, secrets: Sequence[str], now: float, body: bytes, headers: Mapping[str, str] | None = None
) -> Answer:
    """Post a JSON body with its proof; raises Unreachable where nothing came back, and for 429 and 5xx."""
    return await web.post(url, body, JSON, {**signed(secrets, now, body), **(headers or {})})


def refuse_unless_taken(who: str, answer: Answer) -> None:
    """Return where the answer is 2xx; raises Refused for what will never be taken, else Unreachable."""
    if answer.taken:
        return
    if 400 <= answer.status < 500 and answer.status not in PASSING:
        raise Refused(f"{who}: answered {answer.status}")
    raise Unreachable(f"{who}: answered {answer.status}")


def _named(body: Mapping[str, Any], field: str) -> str:
    name = text_at(body, field)
    if name is None or not name.strip() or len(name) > MOST_NAME or not name.isprintable():
        raise Broken(f"`{field}` is missing or none; allowed: 1 to {MOST_NAME} printable characters")
    return name
