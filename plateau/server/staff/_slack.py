"""A notice to the clinic's Slack that something waits: staff only, and never anything about a patient's health.

Slack's terms do not allow it for patients, and a clinic's agreement with Slack may not cover health information.
"""

from __future__ import annotations

import logging
from html import escape

import aiohttp
from slack_sdk.errors import SlackClientError
from slack_sdk.webhook.async_client import AsyncWebhookClient

from plateau.server.platforms import Refused, Unreachable

from ._sender import Letter

logger = logging.getLogger(__name__)

SECONDS = 15
# Its client logs the address, which is the secret, and the text.
_SILENT = logging.getLogger(f"{__name__}.client")
_SILENT.disabled = True


class Slack:
    """Slack's incoming webhook, whose address is the secret; of a letter only the `notice` is sent."""

    name = "slack"

    def __init__(self, url: str, seconds: int = SECONDS) -> None:
        # Tried again by our outbox, which is visible, and not here.
        self._client = AsyncWebhookClient(url, timeout=seconds, logger=_SILENT, retry_handlers=[])

    async def send(self, key: str, letter: Letter) -> None:
        """Send `notice`; raises Unreachable or Refused, and KeyError for a letter without one."""
        # Only these three are escaped; so nothing in it is a link or calls everybody.
        text = escape(letter["notice"], quote=False)
        try:
            answer = await self._client.send(text=text)
        except (aiohttp.ClientError, SlackClientError, TimeoutError, OSError, ValueError) as error:
            raise Unreachable(f"slack: no answer ({type(error).__name__})") from None
        if answer.status_code == 200:
            return
        if answer.status_code == 400:
            raise Refused("slack: answered 400")
        if answer.status_code in (403, 404, 410):
            logger.error("slack: PLATEAU_SLACK_URL is not taken any more (%s)", answer.status_code)
        wait = {name.lower(): text for name, text in answer.headers.items()}.get("retry-after", "")
        raise Unreachable(f"slack: answered {answer.status_code}", float(wait) if wait.isdecimal() else None)

    async def close(self) -> None:
        """Nothing is kept open."""
