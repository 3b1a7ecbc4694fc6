"""Whether this worker can take a patient's message now, found out by doing it: a message read, a row written."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from rasa.core.channels.channel import UserMessage

from plateau.store import Database, StoreError, has_schema, touch

logger = logging.getLogger(__name__)

# Every reason that speaks against sending patients here; operations.md says what to do about each.
REASONS = ("draining", "loading", "model", "database", "schema", "write", "slow")
WAIT_SECONDS = 3.0


class Readiness:
    """Answers for at most `keep` seconds from one check; however many ask, one check runs at a time."""

    def __init__(self, database: Database, keep: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._database, self._keep, self._clock = database, keep, clock
        self._agent: Any = None
        self._draining = False
        self._check: asyncio.Task[str | None] | None = None
        self._since = 0.0
        self._told: str | None = None

    def loaded(self, agent: Any) -> None:
        """Take note that the model is loaded and the database open."""
        self._agent = agent

    def drain(self) -> None:
        """Be ready no more: the process is going to stop."""
        self._draining = True

    async def reason(self) -> str | None:
        """Return which of REASONS speaks against sending patients here, or None."""
        if self._draining:
            return "draining"
        if self._check is None or (self._check.done() and self._clock() - self._since >= self._keep):
            self._since = self._clock()
            self._check = asyncio.create_task(self._look())
        left = max(0.0, WAIT_SECONDS - (self._clock() - self._since))
        try:
            # Shielded, for others wait for the same check.
            found = await asyncio.wait_for(asyncio.shield(self._check), left if not self._check.done() else None)
        except TimeoutError:
            found = "slow"
        if found != self._told:
            self._told = found
            logger.log(logging.WARNING if found else logging.INFO, "readiness: %s", found or "ready")
        # What began to drain while we looked is not ready either.
        return "draining" if self._draining else found

    async def _look(self) -> str | None:
        if self._agent is None:
            return "loading"
        try:
            parsed = await self._agent.processor.parse_message(UserMessage("hello"))
            if not parsed.get("intent", {}).get("name"):
                return "model"
        except Exception as error:
            logger.error("the model does not read: %s", type(error).__name__)
            return "model"
        step = "database"
        try:
            if not await self._database.read(has_schema):
                return "schema"
            step = "write"
            await self._database.run(touch)
        except (StoreError, OSError) as error:
            logger.error("the database does not work (%s): %s", step, type(error).__name__)
            return step
        return None
