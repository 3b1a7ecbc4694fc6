"""One worker at a time in a conversation, on both databases; what holds a lock and dies lets it go."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import pytest

from plateau.store import Database, StoreError
from plateau.store._locks import number_of

# A worker that takes a lock, says so, and keeps it until it is killed.
HOLDER = """
import asyncio, sys
from plateau.store import Database

async def hold():
    async with Database(sys.argv[1]).alone("c1", 0):
        print("held", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold())
"""


@pytest.fixture
def other(database: Database, url: str) -> Iterator[Database]:
    """Another worker's database, the same one."""
    second = Database(url)
    yield second
    second.close()


async def test_a_second_worker_waits_until_the_first_is_done(database: Database, other: Database) -> None:
    order: list[str] = []

    async def work(worker: Database, name: str) -> None:
        async with worker.alone("c1", 10):
            order.append(f"{name} in")
            await asyncio.sleep(0.02)
            order.append(f"{name} out")

    await asyncio.gather(*(work(worker, name) for worker, name in ((database, "a"), (other, "b"))))
    assert order in (["a in", "a out", "b in", "b out"], ["b in", "b out", "a in", "a out"])


async def test_other_conversations_do_not_wait(database: Database, other: Database) -> None:
    async with database.alone("c1", 0), other.alone("c2", 0):
        pass


async def test_a_wait_has_an_end_with_a_reason(database: Database, other: Database) -> None:
    async with database.alone("c1", 0):
        with pytest.raises(StoreError, match="another worker is still busy with this conversation"):
            async with other.alone("c1", 0.02):
                pass
    async with other.alone("c1", 5):
        pass


async def test_a_wait_that_is_given_up_leaves_no_lock(database: Database, other: Database) -> None:
    async def wait() -> None:
        async with other.alone("c1", 10):
            pass

    async with database.alone("c1", 0):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.03)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with database.alone("c1", 5):
        pass


async def test_an_exception_inside_gives_the_lock_back(database: Database, other: Database) -> None:
    with pytest.raises(KeyError):
        async with database.alone("c1", 0):
            raise KeyError
    async with other.alone("c1", 5):
        pass


async def test_a_killed_worker_holds_nothing(database: Database, url: str) -> None:
    holder = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLDER, url, stdout=asyncio.subprocess.PIPE)
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    with pytest.raises(StoreError):
        async with database.alone("c1", 0):
            pass
    holder.kill()
    await holder.wait()
    async with database.alone("c1", 10):
        pass


@pytest.mark.parametrize("name", ["", "c1", "web-" + "x" * 200, "ümlaut"])
def test_lock_numbers_fit_both_databases(name: str) -> None:
    assert 0 <= number_of(name) < 2**62
    assert number_of(name) == number_of(name) != number_of(f"{name}.")
