"""One fault at a time while patients answer: what they are told meanwhile, and that all goes on after it by itself."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .crowd import Crowd, crowd
from .ledger import Sent
from .patients import EMERGENCY, Answer, GaveUp, Habits, Patient
from .servers import FAKETIME, HarnessError, NotHere, Worker, is_ready
from .stack import Stack, stack

PATIENTS = 8
HOLD_SECONDS = 8.0
# How long danger may wait for its answer before it counts as not answered.
RED_FLAG_SECONDS = 30.0
HELP_TRY_SECONDS = 5.0
RECOVERY_SECONDS = 90.0
# Longer than that a patient does not try: the fault did not end by itself.
GIVE_UP_SECONDS = 120.0
HOUR = 3600

Act = Callable[[Stack], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: `begin` and `end` it; `spared` are the numbers of the workers that it does not touch.

    `unready`: /ready of the others must say no meanwhile; None where either is right. `same`: the processes must be
    the same afterwards. `danger`: a red flag must be answered before the fault ends.
    """

    name: str
    title: str
    begin: Act
    end: Act
    seconds: float = HOLD_SECONDS
    spared: tuple[int, ...] = (0, 1)
    unready: bool | None = None
    same: bool = True
    danger: bool = True


def _blocking(work: Callable[[Stack], Any]) -> Act:
    async def act(running: Stack) -> None:
        await asyncio.to_thread(work, running)

    return act


def _read_only(value: str) -> Act:
    return _blocking(lambda running: running.postgres.setting("default_transaction_read_only", value))


def _now(work: Callable[[Stack], Any]) -> Act:
    """The proxy lives in our own loop."""

    async def act(running: Stack) -> None:
        work(running)

    return act


async def _nothing(running: Stack) -> None:
    """It is over already."""


def _no_connections(running: Stack) -> None:
    running.postgres.sql(  # type: ignore[union-attr]
        "ALTER ROLE clinic CONNECTION LIMIT 0",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'clinic'",
    )


def _connections(running: Stack) -> None:
    running.postgres.sql("ALTER ROLE clinic CONNECTION LIMIT -1")  # type: ignore[union-attr]


def _start_database(running: Stack) -> None:
    """Start the database as its own supervisor does; one that never ended goes on."""
    with suppress(HarnessError, OSError):
        running.postgres.start(5.0)  # type: ignore[union-attr]
    running.postgres.sql("SELECT 1")  # type: ignore[union-attr]


def _make_room(running: Stack) -> None:
    running.disk.free()  # type: ignore[union-attr]
    if running.postgres:
        _start_database(running)


def _restart_with(**environment: str) -> Act:
    """Restart the last worker with other settings, which keep it from serving."""

    async def act(running: Stack) -> None:
        worker = running.workers[-1]
        await worker.kill()
        broken = running.folder / "broken.file"
        broken.write_bytes(b"rules: [")
        clinic = running.folder / "broken-clinic.yml"
        clinic.write_text(f'name: A\nphone: "+1 555 0100"\ndefault_country: us\nrules: {broken}\n')
        names = {"BROKEN": str(broken), "MISSING": str(running.folder / "missing"), "CLINIC": str(clinic)}
        worker.start(**{name: names[value] for name, value in environment.items()})
        await _port_open_or_ended(worker, running)

    return act


async def _port_open_or_ended(worker: Worker, running: Stack) -> None:
    until = time.monotonic() + RECOVERY_SECONDS
    while worker.alive and time.monotonic() < until:
        with suppress(OSError):
            async with running.http.get(f"{worker.url}/health") as response:
                if response.status == 200:
                    return
        await asyncio.sleep(0.1)


async def _restart_right(running: Stack) -> None:
    """What was wrong is mended, and the worker started again, as its supervisor would."""
    worker = running.workers[-1]
    await worker.kill()
    worker.start()


def _shift_clock(seconds: int) -> Act:
    """Move the wall clock of the last worker; its monotonic clock goes on, as when an administrator sets the time."""

    async def act(running: Stack) -> None:
        (running.folder / "clock").write_text(f"{seconds:+d}\n")

    return act


POSTGRES = (
    Fault("stopped", "database stopped", _blocking(lambda s: s.postgres.stop("immediate")),
          _blocking(_start_database), unready=True, spared=()),
    Fault("restarted", "database restarted", _blocking(lambda s: s.postgres.stop("fast")),
          _blocking(_start_database), seconds=0.5, danger=False,
        spared=()),
    Fault("paused", "database hangs (SIGSTOP)", _blocking(lambda s: s.postgres.signal_all(signal.SIGSTOP)),
          _blocking(lambda s: s.postgres.signal_all(signal.SIGCONT)), seconds=10.0, spared=()),
    Fault("read-only", "database read-only", _read_only("on"),
          _read_only("off"), spared=()),
    Fault("no-connections", "database takes no connections", _blocking(_no_connections), _blocking(_connections),
          unready=True, spared=()),
    Fault("stall", "network to the database stalls", _now(lambda s: s.proxy.stall()),
          _now(lambda s: s.proxy.flow()), seconds=10.0, spared=()),
    Fault("refused", "network to the database refuses", _now(lambda s: s.proxy.refuse()),
          _now(lambda s: s.proxy.flow()), unready=True, spared=()),
    Fault("reset", "connections to the database reset", _now(lambda s: s.proxy.reset()), _nothing,
          seconds=1.0, danger=False,
        spared=()),
    Fault("forgotten", "connections to the database forgotten", _now(lambda s: s.proxy.forget()), _nothing,
          spared=()),
    Fault("worker-paused", "a worker hangs (SIGSTOP)",
          _blocking(lambda s: s.workers[-1].send(signal.SIGSTOP)),
          _blocking(lambda s: s.workers[-1].send(signal.SIGCONT)), seconds=10.0, spared=(0,)),
    Fault("model-missing", "a worker starts without a model", _restart_with(PLATEAU_MODEL="MISSING"), _restart_right,
          unready=True, spared=(0,), same=False),
    Fault("model-corrupt", "a worker starts with a corrupt model", _restart_with(PLATEAU_MODEL="BROKEN"),
          _restart_right, unready=True, spared=(0,), same=False),
    Fault("rules-broken", "a worker starts with a broken rule file", _restart_with(PLATEAU_CLINIC="CLINIC"),
          _restart_right, unready=True, spared=(0,), same=False),
)  # fmt: skip
FULL = (
    Fault("full", "disk of the database full", _blocking(lambda s: s.disk.fill()), _blocking(_make_room), spared=()),
)
CLOCK = (
    Fault("clock-back", "a worker's clock jumps back an hour", _shift_clock(-HOUR), _shift_clock(0), spared=(0,)),
    Fault("clock-on", "a worker's clock jumps on an hour", _shift_clock(HOUR), _shift_clock(0), spared=(0,)),
)


class _Lock:
    """Another process's long write on the SQLite file, as of a backup that was badly made."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None

    def begin(self, running: Stack) -> None:
        self._connection = sqlite3.connect(running.data / "plateau.db", isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA busy_timeout = 30000")
        self._connection.execute("BEGIN IMMEDIATE")

    def end(self, running: Stack) -> None:
        assert self._connection is not None
        self._connection.execute("ROLLBACK")
        self._connection.close()


def sqlite_faults() -> tuple[Fault, ...]:
    lock = _Lock()
    return (
        *FULL,
        Fault("locked", "database locked by another process", _blocking(lock.begin), _blocking(lock.end), seconds=10.0,
              spared=()),
        Fault("worker-paused", "the only worker hangs (SIGSTOP)",
              _blocking(lambda s: s.workers[-1].send(signal.SIGSTOP)),
              _blocking(lambda s: s.workers[-1].send(signal.SIGCONT)), seconds=5.0, danger=False,
            spared=()),
    )  # fmt: skip


async def fault_runs(
    seed: int, only: Iterable[str] | None = None, say: Callable[[str], None] = print
) -> list[dict[str, Any]]:
    """Run every fault, or those named like "postgresql/stopped"; return an outcome each, in order."""
    groups: list[tuple[str, tuple[Fault, ...], dict[str, Any]]] = [
        ("postgresql", POSTGRES, {"through_proxy": True}),
        ("postgresql", FULL, {"small_disk": 160}),
        ("postgresql", CLOCK, {"clock": True}),
        ("sqlite", sqlite_faults(), {"small_disk": 24, "workers": 1}),
    ]
    outcomes = []
    for kind, faults, options in groups:
        wanted = [fault for fault in faults if only is None or f"{kind}/{fault.name}" in only]
        if wanted:
            outcomes += await _group(kind, wanted, options, seed, say)
    return outcomes


async def _group(
    kind: str, faults: list[Fault], options: dict[str, Any], seed: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    clock = options.pop("clock", False)
    if clock and not FAKETIME.exists():
        return [_not_run(kind, fault, "libfaketime is not installed") for fault in faults]
    outcomes: list[dict[str, Any]] = []
    while len(outcomes) < len(faults):
        try:
            async with stack(kind, **options) as running:
                if clock:
                    await _give_a_clock(running)
                for fault in faults[len(outcomes) :]:
                    outcomes.append(await _outcome(kind, running, fault, seed + len(outcomes)))
                    say(f"{kind}/{fault.name}: {'holds' if outcomes[-1]['holds'] else 'DOES NOT HOLD'}")
                    if outcomes[-1]["recovery_seconds"] is None:
                        # It did not come back by itself: the next fault gets new processes.
                        break
        except NotHere as error:
            return [*outcomes, *(_not_run(kind, fault, str(error)) for fault in faults[len(outcomes) :])]
        except HarnessError as error:
            return [*outcomes, *(_failed(kind, fault, str(error)) for fault in faults[len(outcomes) :])]
    return outcomes


async def _outcome(kind: str, running: Stack, fault: Fault, seed: int) -> dict[str, Any]:
    try:
        return await fault_run(running, fault, seed)
    except HarnessError as error:
        return _failed(kind, fault, str(error))


def _failed(kind: str, fault: Fault, why: str) -> dict[str, Any]:
    return {**_not_run(kind, fault, ""), "holds": False, "failed": why, "recovery_seconds": None}


def _not_run(kind: str, fault: Fault, why: str) -> dict[str, Any]:
    return {"name": fault.name, "title": fault.title, "database": kind, "not_run": why, "holds": None}


async def _give_a_clock(running: Stack) -> None:
    """Start the last worker anew with a wall clock that a file moves."""
    clock = running.folder / "clock"
    clock.write_text("+0\n")
    worker = running.workers[-1]
    worker.environment |= {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    await worker.kill()
    worker.start()
    await running.ready()


async def fault_run(running: Stack, fault: Fault, seed: int, patients: int = PATIENTS) -> dict[str, Any]:
    """Put one fault on while patients answer, ask for help meanwhile, take it off; return what held."""
    pids = [worker.pid for worker in running.workers]
    async with crowd(running, patients, seed, Habits(give_up=GIVE_UP_SECONDS)) as people:
        await people.under_way(4)
        tellers = [await _teller(people) for _ in running.workers]
        told = dict(people.counts.told)
        began = time.monotonic()
        await fault.begin(running)
        # A fault that takes long to bring about, as the start of a worker, is on for its full time all the same.
        begun = time.monotonic()
        asked = asyncio.gather(*(_tell(teller, worker, fault, running)
                                 for teller, worker in zip(tellers, running.workers, strict=True)))  # fmt: skip
        readiness = await _readiness(running, fault)
        left = fault.seconds - (time.monotonic() - begun)
        await asyncio.sleep(max(0.0, left))
        seconds_on = time.monotonic() - began
        # A fault that is over by itself leaves nothing to end; the help asked for may still be on its way.
        early = asked.done()
        await fault.end(running)
        ended = time.monotonic()
        answers = await asked
        recovery = await _recovery(running, ended)
    for teller in tellers:
        # What the help-seeker sent must be stored once it is acknowledged, like everything else.
        with suppress(GaveUp):
            await teller.say_again()
    people.patients += tellers
    for teller in tellers:
        teller.ledger.finished = True
    proof = people.proof()
    same = pids == [worker.pid for worker in running.workers]
    answered = [one for one in answers if one["answered"]]
    now = people.counts.told
    return {
        "name": fault.name,
        "title": fault.title,
        "database": "postgresql" if running.postgres else "sqlite",
        "not_run": None,
        "seconds_on": round(seconds_on, 1),
        "told": {what: count - told.get(what, 0) for what, count in now.items() if count > told.get(what, 0)},
        "red_flags": len(answers),
        "red_flags_answered": len(answered),
        "red_flags_while_on": early,
        "red_flag_seconds": round(max(one["seconds"] for one in answers), 1),
        "ready_said_no": readiness,
        "recovery_seconds": None if recovery is None else round(recovery, 1),
        "same_processes": same,
        "double_sends": people.counts.double_sends,
        "two_at_once": people.counts.two_at_once,
        "proof": proof.told(),
        "holds": (
            proof.holds
            and len(answered) == len(answers)
            and (early or not fault.danger)
            and recovery is not None
            and (same or not fault.same)
            and (fault.unready is None or readiness == fault.unready)
        ),
    }


class Teller(Patient):
    """A patient who will tell of danger while the fault is on."""

    message: dict[str, Any]

    async def tell(self, url: str) -> Answer:
        """Tell of danger to one worker, once."""
        sent = self.ledger.sent.setdefault(self.message["id"], Sent(self.message["id"], self.message))
        sent.attempts += 1
        body = json.dumps(self.message).encode()
        try:
            # Nobody in danger waits for half a minute; nor does a load balancer.
            answer = await asyncio.wait_for(self._call("POST", "/api/turn", body, url), HELP_TRY_SECONDS)
        except TimeoutError:
            return Answer(0, {})
        if answer.status == 200:
            self._acknowledged(sent, answer.body)
        return answer

    async def say_again(self) -> None:
        """Send what was told again until it is acknowledged."""
        await self._send(self.message)


async def _teller(people: Crowd) -> Teller:
    teller = people.newcomer(Teller)
    await teller.begin()
    for _ in range(2):
        await teller._tap()
    teller.message = teller._message(text=EMERGENCY)
    return teller


async def _tell(teller: Teller, worker: Worker, fault: Fault, running: Stack) -> dict[str, Any]:
    """Tell of an emergency to one worker, and to the others when it does not answer, as any client does."""
    began = time.monotonic()
    others = [one.url for one in running.workers if one is not worker]
    urls = [worker.url, *others]
    tries = 0
    while time.monotonic() - began < RED_FLAG_SECONDS:
        url = urls[tries % len(urls)]
        tries += 1
        answer = await teller.tell(url)
        said = [message["id"] for message in (answer.body.get("turn") or answer.body).get("messages", ())]
        if "safety.emergency" in said:
            return {"answered": True, "status": answer.status, "seconds": time.monotonic() - began}
        await asyncio.sleep(0.2)
    return {"answered": False, "status": 0, "seconds": time.monotonic() - began}


async def _readiness(running: Stack, fault: Fault) -> bool | None:
    """Tell whether /ready of every worker that the fault touches says no, as soon as it does; None: none is touched."""
    touched = [worker for number, worker in enumerate(running.workers) if number not in fault.spared]
    if not touched:
        return None
    until = time.monotonic() + max(0.5, fault.seconds - 1)
    while time.monotonic() < until:
        states = await asyncio.gather(*(is_ready(running.http, worker.url, 2.0) for worker in touched))
        if not any(states):
            return True
        await asyncio.sleep(0.2)
    return False


async def _recovery(running: Stack, ended: float) -> float | None:
    """Return how many seconds after the fault's end every worker was ready again; None: never."""
    until = ended + RECOVERY_SECONDS
    while time.monotonic() < until:
        if all(await asyncio.gather(*(is_ready(running.http, worker.url) for worker in running.workers))):
            return time.monotonic() - ended
        await asyncio.sleep(0.1)
    return None
