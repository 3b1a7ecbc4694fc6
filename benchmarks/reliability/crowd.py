"""Patients who keep coming: so many at a time, interview after interview, until the run is over."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from .ledger import Proof, prove
from .patients import Counts, Habits, Patient
from .stack import Stack

P = TypeVar("P", bound=Patient)


class Crowd:
    """`size` patients at a time on a stack; whoever has finished is followed by the next."""

    def __init__(self, stack: Stack, size: int, seed: int, habits: Habits | None = None) -> None:
        self.stack, self.size = stack, size
        self.counts = Counts()
        self.patients: list[Patient] = []
        self._rng = random.Random(seed)
        self._habits = habits or Habits()
        self._closing = False
        self._slots: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._slots = [asyncio.create_task(self._slot()) for _ in range(self.size)]

    async def finish(self) -> None:
        """Let nobody new in, and wait until all have finished their interviews."""
        self._closing = True
        await asyncio.gather(*self._slots)

    async def under_way(self, turns: int) -> None:
        """Wait until everybody has taken so many turns, and has consented: nothing is purged after that."""
        while not all(patient.turns >= turns for patient in self.patients) or len(self.patients) < self.size:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    def proof(self, *, to_the_end: bool = True) -> Proof:
        """Compare all that the patients were told with the database."""
        database = self.stack.database()
        try:
            begun = [one.ledger for one in self.patients if one.ledger.conversation]
            return prove(database, begun, to_the_end=to_the_end)
        finally:
            database.close()

    async def _slot(self) -> None:
        while not self._closing:
            patient = self.newcomer(Patient)
            self.patients.append(patient)
            await patient.interview()

    def newcomer(self, kind: type[P]) -> P:
        """Return a patient who has not begun yet, and whom only the caller sees to."""
        stack, seed = self.stack, self._rng.getrandbits(64)
        return kind(stack.http, stack.urls, stack.secret, random.Random(seed), self.counts, self._habits)


@asynccontextmanager
async def crowd(stack: Stack, size: int, seed: int, habits: Habits | None = None) -> AsyncIterator[Crowd]:
    """Yield a crowd that has begun; at the end of the block everybody finishes."""
    made = Crowd(stack, size, seed, habits)
    made.start()
    yield made
    await made.finish()
