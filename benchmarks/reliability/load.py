"""So many patients at once, each with one message per ten seconds: how long a turn takes, and that none is lost."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .crowd import Crowd
from .patients import GaveUp, Habits, Patient
from .stack import stack

PERIOD = 10.0
# Time to come, for each patient: they play some ten turns before anything is measured.
RAMP_SECONDS = 0.25
MOST_AHEAD = 20
# What people do: seven of ten messages are taps.
HABITS = Habits(typed=0.25, asks_why=0.04, reloads=0.02, goes_back=0.02, twice_at_once=0.0, two_at_once=0.0)
LAG_SECONDS = 0.05
# Answers that are as they should be; anything else is an error.
FINE = {"200", "201"}


class Visitor(Patient):
    """A patient with a clock: a message is due every ten seconds, whatever the server does."""

    async def come(self, ahead: int) -> None:
        """Begin, and answer so many messages at once: at any time patients are at different places of the interview."""
        await self.begin()
        for _ in range(ahead):
            await self.step()

    async def live(self, due: float, ends: float, taken: list[tuple[float, float]]) -> float:
        """Play until the plan or the end; note (due, seconds) of each turn, from when it was due; return the next due.

        Where an answer takes longer than the next message is away, the wait counts for the next one too.
        """
        if not self.turns:
            await _until(due)
            await self.begin()
            taken.append((due, time.monotonic() - due))
        while self.kind != "plan":
            due += PERIOD
            if due > ends:
                break
            await _until(due)
            await self.step()
            taken.append((due, time.monotonic() - due))
        self.ledger.finished = self.kind == "plan"
        return due + PERIOD


async def load_run(kind: str, patients: int, seconds: float, seed: int) -> dict[str, Any]:
    """Have `patients` at once for `seconds` after they have all come; return times, errors, memory and the proof."""
    rng = random.Random(seed)
    ramp = PERIOD + RAMP_SECONDS * patients
    async with stack(kind, workers=2 if kind == "postgresql" else 1) as running:
        people = Crowd(running, patients, rng.getrandbits(64), HABITS)
        memory = [worker.megabytes() for worker in running.workers]
        taken: list[tuple[float, float]] = []
        begins = time.monotonic() + ramp
        ends = begins + seconds

        async def slot(due: float) -> None:
            ahead = rng.randrange(MOST_AHEAD)
            await _until(due)
            # Their own rhythm from then on, spread over the period.
            due = begins - PERIOD * rng.random()
            while due < ends:
                visitor = people.newcomer(Visitor)
                people.patients.append(visitor)
                try:
                    if ahead:
                        await visitor.come(ahead)
                        ahead = 0
                    due = await visitor.live(due, ends, taken)
                except GaveUp as error:
                    visitor.ledger.surprises.append(f"gave up: {error}")
                    return

        # Evenly over the ramp, all but its last period.
        arrivals = [begins - ramp + (ramp - PERIOD) * n / patients for n in range(patients)]
        slots = [asyncio.create_task(slot(arrival)) for arrival in arrivals]
        await _until(begins)
        busy = [_processor_seconds(worker.pid) for worker in running.workers]
        own = time.process_time()
        lags: list[float] = []
        watching = asyncio.create_task(_watch_lag(lags))
        await _until(ends)
        used = [
            now - before for now, before in zip((_processor_seconds(w.pid) for w in running.workers), busy, strict=True)
        ]
        own = time.process_time() - own
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await asyncio.gather(*slots)
        after = [worker.megabytes() for worker in running.workers]
        proof = await asyncio.to_thread(people.proof, to_the_end=False)
    measured = sorted(took for due, took in taken if begins <= due < ends)
    errors = {what: count for what, count in people.counts.told.items() if what not in FINE}
    return {
        "database": running.name,
        "workers": len(running.workers),
        "patients": patients,
        "seconds": seconds,
        "seed": seed,
        "turns": len(measured),
        "turns_per_second": round(len(measured) / seconds, 1),
        "p50_ms": _ms(measured, 0.50),
        "p95_ms": _ms(measured, 0.95),
        "p99_ms": _ms(measured, 0.99),
        "slowest_ms": _ms(measured, 1.0),
        "errors": errors,
        "memory_mib": [[round(before), round(now)] for before, now in zip(memory, after, strict=True)],
        "worker_cores": [round(one / seconds, 2) for one in used],
        "generator_cores": round(own / seconds, 2),
        "generator_lag_p99_ms": _ms(sorted(lags), 0.99),
        "cores": os.cpu_count(),
        "proof": proof.told(),
    }


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))


async def _watch_lag(lags: list[float]) -> None:
    """Note how late the generator itself wakes up."""
    while True:
        due = time.monotonic() + LAG_SECONDS
        await asyncio.sleep(LAG_SECONDS)
        lags.append(max(0.0, time.monotonic() - due))


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _ms(ordered: Sequence[float], share: float) -> float | None:
    """Return the value below which `share` of the seconds lie, in milliseconds."""
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else None
