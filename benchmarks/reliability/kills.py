"""kill -9 under load: of workers, of the database server and of its connections, again and again at random points."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from typing import Any

from .crowd import crowd
from .servers import HarnessError, Worker
from .stack import Stack, stack

PATIENTS = 12
# Seconds from one kill to the next; a worker takes some eight to be ready again.
PAUSES = (0.2, 3.0)
VICTIMS = {"worker": 6, "every worker": 1, "connection": 2, "database": 1}


async def kill_run(kind: str, kills: int, seed: int, patients: int = PATIENTS) -> dict[str, Any]:
    """Kill `kills` times while patients answer, with everything started again; return counts and the proof."""
    rng = random.Random(seed)
    began = time.monotonic()
    async with stack(kind, workers=2 if kind == "postgresql" else 1) as running:
        killed: dict[str, int] = {}
        async with running.supervised():
            async with crowd(running, patients, rng.getrandbits(64)) as people:
                await people.under_way(3)
                while sum(killed.values()) < kills:
                    await asyncio.sleep(rng.uniform(*PAUSES))
                    victim = await _kill(running, rng)
                    killed[victim] = killed.get(victim, 0) + 1
                await _up(running, asyncio.ALL_COMPLETED)
            proof = people.proof()
        return {
            "database": running.name,
            "workers": len(running.workers),
            "kills": sum(killed.values()),
            "killed": killed,
            "starts": sum(worker.starts for worker in running.workers),
            "patients": patients,
            "seconds": round(time.monotonic() - began, 1),
            "seed": seed,
            "double_sends": people.counts.double_sends,
            "two_at_once": people.counts.two_at_once,
            "reloads": people.counts.reloads,
            "told": people.counts.told,
            "proof": proof.told(),
        }


async def _kill(running: Stack, rng: random.Random) -> str:
    """Kill something at random; return what it was."""
    # One that still starts is killed at times too: a start must survive it like everything else.
    await _up(running, asyncio.FIRST_COMPLETED)
    kinds = VICTIMS if running.postgres else {"worker": 1}
    (kind,) = rng.choices(list(kinds), weights=list(kinds.values()))
    postgres = running.postgres
    if kind == "connection" and postgres is not None:
        backends = await asyncio.to_thread(postgres.backends)
        if backends:
            postgres.kill_one(rng.choice(backends))
            return kind
        kind = "worker"
    if kind == "database" and postgres is not None:
        postgres.kill()
        await asyncio.to_thread(postgres.start)
        return kind
    victims = [worker for worker in running.workers if worker.alive]
    if kind == "worker":
        victims = [rng.choice(victims)]
    for worker in victims:
        await worker.kill()
    return kind


async def _up(running: Stack, which: str) -> None:
    """Wait until some worker is ready, or all are: kills without a turn between them would prove nothing."""

    async def up(worker: Worker) -> None:
        while True:
            with suppress(HarnessError):
                await worker.ready(running.http)
                return
            await asyncio.sleep(0.1)

    waiting = [asyncio.create_task(up(worker)) for worker in running.workers]
    await asyncio.wait(waiting, return_when=which)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
