"""Letters to the clinic by the signed webhook; `docs/webhooks.md` has its format and a recipe to check it."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from plateau.server._settings import encrypted
from plateau.server.platforms import Refused, Unreachable
from plateau.server.platforms._http import Web, packed
from plateau.server.platforms._webhook import post_signed

from ._sender import Letter

logger = logging.getLogger(__name__)

# Content that the other side will never take. Any other answer, such as 401 or 404, is a setting that is mended: what
# staff must know is then sent after all.
NEVER = (400, 410, 413, 415, 422)


class Post:
    """The clinic's own address; each of `secrets` signs, so that one can replace another."""

    name = "webhook"

    def __init__(
        self, url: str, secrets: Sequence[str], web: Web | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._url, self._secrets, self._clock = encrypted("staff.webhook", url), tuple(secrets), clock
        self._web = web or Web("staff.webhook")

    async def send(self, key: str, letter: Letter) -> None:
        """Post the letter as JSON with the key as its `id`, attachments in base64; raises Unreachable or Refused."""
        body = packed({"id": key, **_plain(letter)})
        headers = {"Idempotency-Key": key}
        answer = await post_signed(self._web, self._url, self._secrets, self._clock(), body, headers)
        if answer.taken:
            return
        if answer.status in NEVER:
            raise Refused(f"staff.webhook: answered {answer.status}")
        logger.error("staff.webhook: answered %s", answer.status)
        raise Unreachable(f"staff.webhook: answered {answer.status}")

    async def close(self) -> None:
        """Let connections go."""
        await self._web.close()


def _plain(letter: Letter) -> dict[str, Any]:
    plain = dict(letter)
    if attachments := letter.get("attachments"):
        plain["attachments"] = [_attachment(one) for one in attachments]
    return plain


def _attachment(one: Mapping[str, Any]) -> dict[str, str]:
    return {"name": one["name"], "type": one["type"], "base64": base64.b64encode(one["bytes"]).decode()}
