"""An upgrade while conversations are open: begun on one version, gone on with on the next as if nothing had been."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import yaml

from benchmarks.reliability.patients import client
from benchmarks.reliability.replay import (
    DUMP,
    RECORDED,
    Recording,
    Replay,
    answers,
    begin,
    messages,
    play,
    recorded,
    restore,
    shape,
)
from benchmarks.reliability.servers import Worker, new_secret, worker_environment
from plateau.content import clinic
from plateau.escalation import _rules as rules
from plateau.server._sessions import Sessions
from plateau.store import Database

in_one_loop = pytest.mark.asyncio(loop_scope="session")
# What a clinic may change from one day to the next. The recorded rows are of a fixed day: they must not be too old.
CLINIC = {
    "name": "Hillside Physiotherapy",
    "phone": "+44 20 7946 0000",
    "default_country": "uk",
    "therapist": {"one": "physiotherapist", "many": "physiotherapists"},
    "services": ["manual_therapy"],
    "keep_days": 3650,
}


def changed_clinic(folder: Path) -> Path:
    """Write a clinic's settings that differ in names, services, time gates and the rule file from the default ones."""
    own = folder / "rules.yml"
    content = yaml.safe_load(rules.DEFAULT_FILE.read_text(encoding="utf-8"))
    content["version"] += 1
    own.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    file = folder / "clinic.yml"
    file.write_text(yaml.safe_dump({**CLINIC, "rules": str(own)}), encoding="utf-8")
    return file


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with client() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def upgraded(
    tmp_path_factory: pytest.TempPathFactory, http: aiohttp.ClientSession
) -> AsyncIterator[tuple[Worker, Path, str]]:
    """A server of today, with changed settings, on the database that the recorded version left."""
    folder = tmp_path_factory.mktemp("upgraded")
    data = folder / "data"
    data.mkdir()
    restore(data / "plateau.db")
    secret, _ = recorded()
    settings = worker_environment(data, secret, PLATEAU_CLINIC=str(changed_clinic(folder)))
    worker = Worker("worker", folder, settings)
    worker.start()
    try:
        await worker.ready(http)
        yield worker, data, secret
    finally:
        await worker.stop()


RECORDINGS = [pytest.param(one, id=f"{one.title} from turn {one.done + 2}") for one in recorded()[1]]


@in_one_loop
@pytest.mark.parametrize("recording", RECORDINGS)
async def test_a_conversation_of_the_recorded_version_goes_on_with_the_same_questions_to_the_same_answers(
    upgraded: tuple[Worker, Path, str], http: aiohttp.ClientSession, recording: Recording
) -> None:
    worker, data, secret = upgraded
    replay = Replay(http, worker.url, Sessions(secret).issue(recording.conversation))
    last = recording.exchanges[recording.done - 1]
    assert shape(await replay.resume()) == last.answer
    # A phone that never got the last answer sends its message again: the same turn, not another.
    assert shape(await replay.send(last.message)) == last.answer
    rest = recording.exchanges[recording.done :]
    assert await play(replay, [one.message for one in rest]) == list(rest)
    database = Database.in_folder(data)
    assert answers(database, recording.conversation) == recording.answers
    database.close()


@in_one_loop
async def test_a_conversation_that_was_open_while_the_clinics_settings_and_rules_changed_goes_on(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    data, secret = tmp_path / "data", new_secret()
    title = "S11"
    whole = next(one for one in recorded()[1] if one.title == title)
    said = messages(title)
    worker = Worker("worker", tmp_path, worker_environment(data, secret))
    worker.start()
    try:
        await worker.ready(http)
        tokens = [await begin(http, worker.url) for _ in range(3)]
        stops = [4, len(said) // 2, len(said) - 2]
        for token, stop in zip(tokens, stops, strict=True):
            assert await play(Replay(http, worker.url, token), said[:stop]) == list(whole.exchanges[:stop])
        await worker.stop()
        worker.start(PLATEAU_CLINIC=str(changed_clinic(tmp_path)))
        await worker.ready(http)
        for token, stop in zip(tokens, stops, strict=True):
            replay = Replay(http, worker.url, token)
            assert shape(await replay.resume()) == whole.exchanges[stop - 1].answer
            assert await play(replay, said[stop:]) == list(whole.exchanges[stop:])
    finally:
        await worker.stop()
    database = Database.in_folder(data)
    for token in tokens:
        assert answers(database, Sessions(secret).conversation(token)) == whole.answers
    database.close()


def test_the_changed_settings_are_right_and_others(tmp_path: Path) -> None:
    assert clinic(str(changed_clinic(tmp_path))).name != clinic(None).name


def test_the_recorded_database_is_of_an_older_schema() -> None:
    """Or the test above would migrate nothing."""
    assert "INSERT INTO \"alembic_version\" VALUES('0002')" in (RECORDED / DUMP).read_text(encoding="utf-8")
