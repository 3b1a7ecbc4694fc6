#!/usr/bin/env python3
"""The first turn of a patient who comes back, with 1,000 and with 1,000,000 stored re-evaluations, in the same run.

Prints a JSON object with the medians in milliseconds and their ratio, and writes it to docs/million.json. Two gateways
over two SQLite databases take the same turns one after the other. The other patients' rows are as Plateau writes them;
what is sealed in them is random, for nobody opens it.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from plateau.server._logging import quiet
from plateau.store import Database, Repository
from plateau.store._models import Answer, Conversation, Patient, Plan, Reevaluation, Turn

ROOT = Path(__file__).resolve().parent.parent
SIZES = (1_000, 1_000_000)
VISITS = 40
BATCH = 20_000
ANSWERS = ("body_region", "pain_now", "pain_start", "progress", "goal")
PLAN = {"tier": "routine", "primary": "continue_plan", "findings": [], "recommendations": [],
        "questions_for_therapist": [], "held_back": []}  # fmt: skip


def crowd(first: int, count: int) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    """Yield tables with rows for that many patients, each with one finished re-evaluation."""
    at = datetime.now(UTC) - timedelta(days=100)
    ids = range(first, first + count)
    yield Patient, [{"id": f"p{n}", "created_at": at} for n in ids]
    yield (
        Conversation,
        [
            {
                "id": f"c{n}",
                "key_id": f"k{n}",
                "patient_id": f"p{n}",
                "consent_state": "given",
                "consent_version": "1",
                "consent_at": at,
                "version": 100,
                "session_seq": 0,
                "created_at": at,
                "updated_at": at,
            }
            for n in ids
        ],
    )
    yield (
        Reevaluation,
        [
            {"id": n, "patient_id": f"p{n}", "conversation_id": f"c{n}", "run": 1, "started_at": at, "finished_at": at}
            for n in ids
        ],
    )
    sealed = secrets.token_bytes(600)
    yield Plan, [{"reevaluation_id": n, "sealed": sealed, "rules_version": "1", "created_at": at} for n in ids]
    yield Answer, [{"reevaluation_id": n, "question": name, "sealed": sealed[:40]} for n in ids for name in ANSWERS]
    yield (
        Turn,
        [
            {"conversation_id": f"c{n}", "client_message_id": "m1", "version": 100, "sealed": sealed, "created_at": at}
            for n in ids
        ],
    )


def fill(folder: Path, size: int) -> None:
    """Store `size` re-evaluations of others, and one each of the patients who will come back."""
    database = Database.in_folder(folder)
    database.upgrade()
    for first in range(1, size + 1, BATCH):
        with database.transaction() as session:
            for model, rows in crowd(first, min(BATCH, size + 1 - first)):
                session.execute(insert(model), rows)
    for visit in range(VISITS):
        with database.transaction() as session:
            Repository(session).save_reevaluation(
                f"before-{visit}", {"pain_now": 5, "body_region": "knee"}, PLAN, patient_id=f"known-{visit}"
            )
    database.close()


async def measure(folders: dict[int, Path]) -> dict[int, list[float]]:
    """Return the milliseconds of the first turns, by the number of stored re-evaluations."""
    from plateau.server._app import Gateway
    from plateau.server._settings import Settings

    gateways = {size: Gateway(Settings(data=str(folder))) for size, folder in folders.items()}
    for gateway in gateways.values():
        gateway.start(*gateway.load())
    taken: dict[int, list[float]] = {size: [] for size in gateways}
    for visit in range(VISITS):
        for size, gateway in gateways.items():
            started = time.perf_counter()
            turn = await gateway.turns.begin(f"again-{visit}", f"known-{visit}")
            taken[size].append((time.perf_counter() - started) * 1000)
            assert turn["saved"]
    for gateway in gateways.values():
        gateway.database.close()
    # The first ones warm the caches of both.
    return {size: every[VISITS // 4 :] for size, every in taken.items()}


def main() -> None:
    quiet()
    (ROOT / "var").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "var") as name:
        folders = {size: Path(name) / str(size) for size in SIZES}
        for size, folder in folders.items():
            started = time.monotonic()
            fill(folder, size)
            file = (folder / "plateau.db").stat().st_size / 2**20
            print(f"{size} stored: {file:.0f} MiB in {time.monotonic() - started:.0f} s", file=sys.stderr)
        taken = asyncio.run(measure(folders))
    medians = {size: statistics.median(every) for size, every in taken.items()}
    small, large = (medians[size] for size in SIZES)
    result = {
        "date": f"{datetime.now(UTC):%d %B %Y}",
        "cores": os.cpu_count(),
        "turns": VISITS - VISITS // 4,
        "median_ms": {str(size): round(ms, 1) for size, ms in medians.items()},
        "ratio": round(large / small, 2),
    }
    print(json.dumps(result))
    (ROOT / "docs" / "million.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
