"""Rasa's trackers on our database: whole turns, once, onto the turn they followed, and never in memory only."""

from __future__ import annotations

import asyncio
import logging
import traceback
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasa.core.tracker_store import InMemoryTrackerStore, TrackerStore, check_if_tracker_store_async
from rasa.shared.core import events as rasa_events
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import (
    ActionExecuted,
    ActionExecutionRejected,
    ActionReverted,
    ActiveLoop,
    AllSlotsReset,
    BotUttered,
    ConversationPaused,
    ConversationResumed,
    DefinePrevUserUtteredFeaturization,
    EntitiesAdded,
    Event,
    FollowupAction,
    LoopInterrupted,
    ReminderCancelled,
    ReminderScheduled,
    Restarted,
    SessionStarted,
    SlotSet,
    UserUtteranceReverted,
    UserUttered,
)
from rasa.shared.core.trackers import DialogueStateTracker, EventVerbosity
from rasa.shared.utils.common import all_subclasses
from rasa.utils.endpoints import EndpointConfig
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from plateau.server import tracker_store as module
from plateau.server._carried import Aside, SlotsCarried
from plateau.server.tracker_store import PlateauTrackerStore, make_loud
from plateau.store import Conflict, Database, Repository, StoreError

CANARY = "numb-between-the-legs"
DOMAIN = Domain.from_yaml(
    """
version: "3.1"
intents: [answer]
slots:
  pain_now: {type: any, mappings: [{type: custom}]}
  tried: {type: list, mappings: [{type: custom}]}
  requested_slot: {type: any, mappings: [{type: custom}]}
"""
)


def _said() -> UserUttered:
    """Build a message as Rasa's processor does."""
    parsed: Any = {
        "text": "about a seven",
        "intent": {"name": "answer", "confidence": 0.9},
        "entities": [{"entity": "pain", "value": 7, "start": 8, "end": 13}],
    }
    return UserUttered(
        "about a seven",
        parsed["intent"],
        parsed["entities"],
        parsed,
        input_channel="web",
        message_id="m1",
        metadata={"client": "page"},
    )


TURN: list[Callable[[], Event]] = [
    _said,
    lambda: DefinePrevUserUtteredFeaturization(False),
    lambda: EntitiesAdded([{"entity": "worse", "value": True}]),
    lambda: ActionExecuted("pain_form", "RulePolicy", 1.0, hide_rule_turn=True),
    lambda: ActiveLoop("pain_form"),
    lambda: LoopInterrupted(True),
    lambda: ActionExecutionRejected("pain_form", "RulePolicy", 1.0),
    lambda: SlotSet("pain_now", 7),
    lambda: SlotSet("tried", ["xray", {"nested": [1, None, 2.5]}]),
    lambda: SlotSet("requested_slot", None),
    lambda: BotUttered(
        "How bad is it now?",
        {"buttons": [{"title": "7", "payload": "/answer"}], "custom": {"question": "pain_now", "values": [0, 10]}},
        {"utter_action": "utter_ask_pain_now"},
    ),
    lambda: ActiveLoop(None),
    lambda: FollowupAction("utter_thanks"),
    lambda: ReminderScheduled("answer", datetime(2026, 12, 1, tzinfo=UTC), name="later"),
    lambda: ReminderCancelled("later"),
    lambda: ConversationPaused(),
    lambda: ConversationResumed(),
    lambda: ActionExecuted("action_listen", "RulePolicy", 1.0),
]
UNUSUAL: list[Callable[[], Event]] = [AllSlotsReset, Restarted, ActionReverted, UserUtteranceReverted]


@pytest.fixture
def store(database: Database) -> PlateauTrackerStore:
    """The tracker store of one worker."""
    return PlateauTrackerStore(DOMAIN, database=database)


async def _begin(store: PlateauTrackerStore, sender_id: str = "c1") -> None:
    """Save a first turn, as the processor does for a conversation that is new."""
    tracker = await store.get_or_create_tracker(sender_id, append_action_listen=False)
    for event in (ActionExecuted("action_session_start"), SessionStarted(), ActionExecuted("action_listen")):
        tracker.update(event)
    await store.save(tracker)


async def _turn(store: PlateauTrackerStore, *events: Event, sender_id: str = "c1") -> DialogueStateTracker:
    """Retrieve, add `events`, save."""
    tracker = await store.retrieve(sender_id)
    assert tracker is not None
    for event in events:
        tracker.update(event)
    await store.save(tracker)
    return tracker


async def _texts(store: PlateauTrackerStore) -> list[str | None]:
    tracker = await store.retrieve_full_tracker("c1")
    return [event.text for event in tracker.events if isinstance(event, UserUttered)] if tracker else []


def _state(tracker: DialogueStateTracker | None) -> Any:
    assert tracker is not None
    return (tracker.current_state(EventVerbosity.ALL), tracker.latest_bot_utterance, tracker.is_paused())


def _columns(database: Database, column: str, table: str) -> list[Any]:
    with database.reading() as session:
        return list(session.execute(select(text(column)).select_from(text(table))).scalars())


# What comes back


async def test_every_kind_of_event_comes_back(database: Database, store: PlateauTrackerStore) -> None:
    await _begin(store)
    said = [make() for make in TURN]
    await _turn(store, *said)
    other = PlateauTrackerStore(DOMAIN, database=database)
    tracker = await other.retrieve("c1")
    assert tracker is not None
    back = list(tracker.events)[2:]
    assert [type(event) for event in back] == [type(event) for event in said]
    assert [event.as_dict() for event in back] == [event.as_dict() for event in said]
    assert tracker.get_slot("tried") == ["xray", {"nested": [1, None, 2.5]}]
    assert tracker.latest_message is not None and tracker.latest_message.text == "about a seven"


async def test_the_table_of_events_is_complete() -> None:
    # Rasa's own story tests define more, which no conversation holds.
    kinds = [kind for kind in all_subclasses(rasa_events.Event) if kind.__module__ == rasa_events.__name__]
    assert {*(kind.type_name for kind in kinds), SlotsCarried.type_name, Aside.type_name} == set(module._EVENT_TYPES)
    assert {make().type_name for make in TURN} <= set(module._EVENT_TYPES)


async def test_an_unknown_conversation_is_none_and_stays_unwritten(
    database: Database, store: PlateauTrackerStore
) -> None:
    assert await store.retrieve("c1") is None
    assert not await store.exists("c1")
    await store.get_or_create_tracker("c1", append_action_listen=False)
    assert _columns(database, "id", "conversations") == []
    await _begin(store)
    assert await store.exists("c1") and list(await store.keys()) == ["c1"]


async def test_a_conversation_with_consent_but_no_turn_is_new(database: Database, store: PlateauTrackerStore) -> None:
    await database.run(lambda session: Repository(session).save_consent("c1", "given"))
    assert await store.retrieve("c1") is None and list(await store.keys()) == []
    await _begin(store)
    assert _columns(database, "consent_state", "conversations") == ["given"]


async def test_only_the_latest_session_is_retrieved(database: Database, store: PlateauTrackerStore) -> None:
    await _begin(store)
    await _turn(store, UserUttered("first"))
    await _turn(store, ActionExecuted("action_session_start"), SessionStarted(), SlotSet("pain_now", 3))
    for worker in (store, PlateauTrackerStore(DOMAIN, database=database)):
        latest = await worker.retrieve("c1")
        assert latest is not None
        assert [event.type_name for event in latest.events] == ["session_started", "slot"]
        whole = await worker.retrieve_full_tracker("c1")
        assert whole is not None and len(whole.events) == 7
    await _turn(store, UserUttered("second"))
    assert await _texts(store) == ["first", "second"]


async def test_a_full_tracker_can_be_saved_and_does_not_become_the_session(store: PlateauTrackerStore) -> None:
    await _begin(store)
    await _turn(store, ActionExecuted("action_session_start"), SessionStarted())
    whole = await store.retrieve_full_tracker("c1")
    assert whole is not None
    whole.update(UserUttered("said"))
    await store.save(whole)
    latest = await store.retrieve("c1")
    assert latest is not None and [event.type_name for event in latest.events] == ["session_started", "user"]


EVENTS = st.lists(st.sampled_from([*TURN, *UNUSUAL, SessionStarted]), min_size=1, max_size=6)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=st.lists(st.tuples(st.integers(0, 1), EVENTS), min_size=1, max_size=8))
async def test_memory_and_database_tell_the_same(
    database: Database, turns: list[tuple[int, list[Callable[[], Event]]]]
) -> None:
    workers = [PlateauTrackerStore(DOMAIN, database=database) for _ in range(2)]
    sender_id = uuid.uuid4().hex
    await _begin(workers[0], sender_id)
    for worker, makers in turns:
        fresh = await PlateauTrackerStore(DOMAIN, database=database).retrieve(sender_id)
        kept = await workers[worker].retrieve(sender_id)
        assert kept is not None and _state(kept) == _state(fresh)
        for make in makers:
            kept.update(make())
        await workers[worker].save(kept)


# Once, and onto the turn it followed


async def test_saving_again_adds_nothing(database: Database, store: PlateauTrackerStore) -> None:
    await _begin(store)
    tracker = await _turn(store, UserUttered("once"))
    await store.save(tracker)
    await store.save(tracker)
    tracker.update(UserUttered("twice"))
    await store.save(tracker)
    assert await _texts(store) == ["once", "twice"]
    # A row each save: the first with three events.
    assert sorted(_columns(database, "seq", "events")) == [0, 3, 4]


@pytest.mark.parametrize("known", [False, True], ids=["new conversation", "known conversation"])
async def test_of_two_workers_exactly_one_saves(database: Database, known: bool) -> None:
    workers = [PlateauTrackerStore(DOMAIN, database=database) for _ in range(2)]
    if known:
        await _begin(workers[0])
    trackers = [await worker.get_or_create_tracker("c1", append_action_listen=False) for worker in workers]
    for name, tracker in zip("AB", trackers, strict=True):
        tracker.update(UserUttered(name))
    done = await asyncio.gather(
        *(worker.save(tracker) for worker, tracker in zip(workers, trackers, strict=True)), return_exceptions=True
    )
    lost = [isinstance(result, Conflict) for result in done]
    assert sorted(lost) == [False, True] and [result for result in done if result is None] == [None]
    winner, loser = lost.index(False), lost.index(True)
    assert await _texts(workers[0]) == ["AB"[winner]]
    await _turn(workers[loser], UserUttered("AB"[loser]))
    assert await _texts(workers[0]) == ["AB"[winner], "AB"[loser]]


async def test_a_tracker_built_aside_cannot_overwrite(store: PlateauTrackerStore) -> None:
    await _begin(store)
    with pytest.raises(Conflict):
        await store.save(DialogueStateTracker.from_events("c1", [UserUttered("forged")]))
    assert await _texts(store) == []


async def test_an_erased_conversation_is_not_revived(database: Database, store: PlateauTrackerStore) -> None:
    await _begin(store)
    tracker = await store.retrieve("c1")
    assert tracker is not None
    tracker.update(UserUttered(CANARY))
    await database.run(lambda session: Repository(session).forget("c1"))
    with pytest.raises(Conflict):
        await store.save(tracker)
    assert await store.retrieve("c1") is None


async def test_memory_of_an_erased_conversation_is_not_used(database: Database, store: PlateauTrackerStore) -> None:
    await _begin(store)
    await _turn(store, UserUttered(CANARY))
    await database.run(lambda session: Repository(session).forget("c1"))
    other = PlateauTrackerStore(DOMAIN, database=database)
    await _begin(other)
    await _turn(other, UserUttered("someone else"))
    tracker = await store.retrieve("c1")
    assert tracker is not None and CANARY not in str([event.as_dict() for event in tracker.events])


async def test_discard_drops_the_memory(store: PlateauTrackerStore) -> None:
    await _begin(store)
    tracker = await _turn(store, UserUttered("said"))
    tracker = await _turn(store, UserUttered("said"))
    store.discard("c1")
    assert await store.retrieve("c1") is not tracker


# Memory


async def test_the_saved_tracker_is_kept_and_handed_out_once(store: PlateauTrackerStore) -> None:
    await _begin(store)
    saved = await _turn(store, UserUttered("one"))
    first, second = await store.retrieve("c1"), await store.retrieve("c1")
    assert first is saved and second is not saved
    assert _state(first) == _state(second)


async def test_a_turn_that_fails_leaves_no_trace(store: PlateauTrackerStore) -> None:
    await _begin(store)
    await _turn(store, UserUttered("kept"), SlotSet("pain_now", 3))
    failing = await store.retrieve("c1")
    assert failing is not None
    failing.update(UserUttered("lost"))
    failing.update(SlotSet("pain_now", 9))
    again = await store.retrieve("c1")
    assert again is not None and again.get_slot("pain_now") == 3
    assert await _texts(store) == ["kept"]


async def test_a_tracker_changed_after_its_save_is_not_used(store: PlateauTrackerStore) -> None:
    await _begin(store)
    tracker = await _turn(store, UserUttered("kept"))
    tracker.update(UserUttered("never saved"))
    again = await store.retrieve("c1")
    assert again is not None and again.latest_message is not None and again.latest_message.text == "kept"


async def test_memory_is_caught_up_with_another_worker(database: Database, store: PlateauTrackerStore) -> None:
    await _begin(store)
    kept = await _turn(store, UserUttered("here"))
    await _turn(PlateauTrackerStore(DOMAIN, database=database), UserUttered("there"), SlotSet("pain_now", 4))
    tracker = await store.retrieve("c1")
    assert tracker is kept and tracker.get_slot("pain_now") == 4
    await _turn(store, UserUttered("here again"))
    assert await _texts(store) == ["here", "there", "here again"]


async def test_memory_goes_with_the_model(store: PlateauTrackerStore) -> None:
    await _begin(store)
    kept = await _turn(store, UserUttered("said"))
    store.domain = DOMAIN
    assert await store.retrieve("c1") is not kept


@pytest.mark.parametrize(
    ("capacity", "sizes", "kept"),
    [
        (10, {"a": 4, "b": 4}, "ab"),
        (10, {"a": 4, "b": 4, "c": 4}, "bc"),
        (10, {"a": 4, "b": 11}, ""),
        (0, {"a": 1}, ""),
    ],
)
async def test_memory_is_bounded_by_events(capacity: int, sizes: dict[str, int], kept: str) -> None:
    cache = module._TrackerCache(capacity)
    for name, size in sizes.items():
        cache.put(DialogueStateTracker.from_events(name, [ConversationPaused() for _ in range(size)]))
    assert [name for name in sizes if cache.take(name)] == list(kept)


# One transaction with what follows from the turn


async def test_projection_and_reply_are_saved_with_the_turn(database: Database) -> None:
    def project(session: Session, tracker: DialogueStateTracker) -> None:
        Repository(session).save_reevaluation(tracker.sender_id, {"pain_now": tracker.get_slot("pain_now")})

    store = PlateauTrackerStore(DOMAIN, database=database, projector=project)
    await _begin(store)
    messages: list[str] = []
    with store.pending_reply("c1", "m1", lambda _: {"messages": messages}) as pending:
        messages.append("Thank you.")
        assert not pending.saved
        await _turn(store, SlotSet("pain_now", 6))
    assert pending.saved
    await _turn(store, SlotSet("pain_now", 5))
    with database.reading() as session:
        repository = Repository(session)
        stored = repository.reevaluation("c1")
        assert stored is not None and stored.answers == {"pain_now": 5}
        assert repository.reply("c1", "m1") == {"messages": ["Thank you."]}
    assert len(_columns(database, "client_message_id", "turns")) == 1


async def test_a_failed_projection_takes_the_whole_turn_with_it(
    database: Database, store: PlateauTrackerStore, caplog: pytest.LogCaptureFixture
) -> None:
    def project(session: Session, tracker: DialogueStateTracker) -> None:
        Repository(session).save_reevaluation("c1", {"goal": CANARY})
        raise ValueError(f"cannot read {CANARY}")

    await _begin(store)
    await _turn(store, UserUttered("kept"))
    store.projector = project
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(StoreError, match=r"ValueError at test_tracker_store\.py:\d+") as caught,
        store.pending_reply("c1", "m1", lambda _: {}) as pending,
    ):
        await _turn(store, UserUttered(CANARY), SlotSet("pain_now", 9))
    assert not pending.saved and CANARY not in "".join(traceback.format_exception(caught.value)) + caplog.text
    assert await _texts(store) == ["kept"]
    assert _columns(database, "question", "answers") == _columns(database, "client_message_id", "turns") == []
    tracker = await store.retrieve("c1")
    assert tracker is not None and tracker.get_slot("pain_now") is None


async def test_a_conflict_of_the_projection_reaches_the_caller(store: PlateauTrackerStore) -> None:
    def project(session: Session, tracker: DialogueStateTracker) -> None:
        raise Conflict("late")

    store.projector = project
    with pytest.raises(Conflict, match="late"):
        await _begin(store)


async def test_replies_of_simultaneous_turns_do_not_mix(database: Database, store: PlateauTrackerStore) -> None:
    async def turn(name: str) -> None:
        with store.pending_reply(name, "m1", lambda tracker: {"for": tracker.sender_id}):
            await asyncio.sleep(0)
            await _begin(store, name)

    await asyncio.gather(*(turn(f"c{number}") for number in range(8)))
    with database.reading() as session:
        for number in range(8):
            assert Repository(session).reply(f"c{number}", "m1") == {"for": f"c{number}"}


async def test_a_reply_that_cannot_be_made_keeps_the_turn_out(store: PlateauTrackerStore) -> None:
    def make_reply(tracker: DialogueStateTracker) -> dict[str, Any]:
        raise StoreError("an action failed")

    await _begin(store)
    with pytest.raises(StoreError, match="an action failed"), store.pending_reply("c1", "m1", make_reply):
        await _turn(store, UserUttered("lost"))
    assert await _texts(store) == []


def _elsewhere(session: Session) -> None:
    """Save a turn as another worker does."""
    repository = Repository(session)
    repository.append("c1", repository.position("c1"), [UserUttered("two").as_dict()])


@pytest.mark.parametrize("cached_events", [0, 1000])
async def test_a_peek_changes_nothing_and_is_what_the_turn_goes_on_from(database: Database, cached_events: int) -> None:
    store = PlateauTrackerStore(DOMAIN, database=database, cached_events=cached_events)
    assert await store.peek("c1") is None
    await _begin(store)
    await _turn(store, UserUttered("one"))
    looked = await store.peek("c1")
    assert (await store.peek("c1") is looked) == bool(cached_events)
    with store.pending_reply("c1", "m1", lambda _: {}):
        seen = await store.peek("c1")
        await database.run(_elsewhere)
        tracker = await store.retrieve("c1")
        assert tracker is seen
        assert tracker is not None
        tracker.update(UserUttered("late"))
        with pytest.raises(Conflict):
            await store.save(tracker)
        await _turn(store, UserUttered("three"))
    assert await _texts(store) == ["one", "two", "three"]


async def test_a_reply_belongs_to_its_conversation(database: Database, store: PlateauTrackerStore) -> None:
    with store.pending_reply("c2", "m1", lambda _: {}) as pending:
        await _begin(store, "c1")
    assert not pending.saved and _columns(database, "client_message_id", "turns") == []


# Bad input, and a database that fails


@pytest.mark.parametrize("bad", ["nul\0", "x" * 300, "\ud800", "new\nline"], ids=lambda bad: ascii(bad)[:12])
async def test_bad_sender_id(store: PlateauTrackerStore, bad: str) -> None:
    for use in (store.retrieve, store.retrieve_full_tracker, store.exists, lambda sender: _begin(store, sender)):
        with pytest.raises(StoreError, match="an id must be 1 to 255 printable characters"):
            await use(bad)
    await _begin(store)
    assert list(await store.keys()) == ["c1"]


@pytest.mark.parametrize(
    "said", ["\0", "\ud800", "🙂", "'); DROP TABLE events;--", "x" * 100_000], ids=lambda said: ascii(said)[:12]
)
async def test_text_of_any_kind(database: Database, store: PlateauTrackerStore, said: str) -> None:
    await _begin(store)
    await _turn(store, UserUttered(said), SlotSet("tried", [said]))
    tracker = await PlateauTrackerStore(DOMAIN, database=database).retrieve("c1")
    assert tracker is not None and tracker.latest_message is not None
    assert tracker.latest_message.text == said and tracker.get_slot("tried") == [said]


@pytest.mark.parametrize("value", [object(), float("nan"), {1}], ids=["object", "nan", "set"])
async def test_a_value_that_is_not_json_costs_only_its_turn(store: PlateauTrackerStore, value: Any) -> None:
    await _begin(store)
    with pytest.raises(StoreError, match="cannot be kept as JSON"):
        await _turn(store, SlotSet("pain_now", value))
    await _turn(store, UserUttered("next"))
    assert await _texts(store) == ["next"]


async def test_a_failing_database_is_loud_and_quotes_nobody(
    database: Database, store: PlateauTrackerStore, caplog: pytest.LogCaptureFixture
) -> None:
    await _begin(store)
    tracker = await store.retrieve("c1")
    assert tracker is not None
    tracker.update(UserUttered(CANARY))
    with database.transaction() as session:
        session.execute(text("ALTER TABLE events RENAME TO gone"))
    with caplog.at_level(logging.DEBUG):
        for use in (
            lambda: store.save(tracker),
            lambda: store.retrieve("c1"),
            lambda: store.retrieve_full_tracker("c1"),
        ):
            with pytest.raises(StoreError, match="the database failed") as caught:
                await use()
            assert CANARY not in "".join(traceback.format_exception(caught.value)) + caplog.text
    with database.transaction() as session:
        session.execute(text("ALTER TABLE gone RENAME TO events"))
    await store.save(tracker)
    assert await _texts(store) == [CANARY]


async def test_an_agent_made_loud_never_falls_back_to_memory(database: Database, store: PlateauTrackerStore) -> None:
    from rasa.core.agent import Agent

    agent = Agent(DOMAIN, tracker_store=store)
    assert agent.tracker_store is not store
    assert make_loud(agent) is store
    assert agent.tracker_store is store and make_loud(agent) is store
    with database.transaction() as session:
        session.execute(text("DROP TABLE events"))
    with pytest.raises(StoreError, match="the database failed"):
        await _begin(agent.tracker_store)


async def test_an_agent_with_another_store_is_refused() -> None:
    from rasa.core.agent import Agent

    with pytest.raises(StoreError, match="the agent uses InMemoryTrackerStore, allowed: PlateauTrackerStore"):
        make_loud(Agent(DOMAIN, tracker_store=InMemoryTrackerStore(DOMAIN)))


# endpoints.yml

TYPE = "plateau.server.tracker_store.PlateauTrackerStore"


@pytest.mark.parametrize("place", ["url", "PLATEAU_DATA", "default"])
async def test_the_store_of_an_endpoints_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PLATEAU_DATA", raising=False)
    if place == "PLATEAU_DATA":
        monkeypatch.setenv("PLATEAU_DATA", str(tmp_path / "data"))
    url = f"sqlite:///{tmp_path}/other.db" if place == "url" else None
    store = TrackerStore.create(EndpointConfig(url=url, type=TYPE), DOMAIN)
    assert isinstance(store, PlateauTrackerStore) and check_if_tracker_store_async(store)
    await _begin(store)
    store.database.close()
    file = {"url": "other.db", "PLATEAU_DATA": "data/plateau.db", "default": "var/plateau.db"}[place]
    assert (tmp_path / file).is_file()


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"dialect": "postgresql", "db": "rasa"}, "unknown setting db, dialect; allowed: type, url"),
        ({"url": "mysql://host/name"}, "no database of kind 'mysql' is supported"),
        ({"url": "postgresql+asyncpg://host/name"}, "no database of kind"),
    ],
)
async def test_a_wrong_endpoints_file_stops_the_start(setting: dict[str, str], told: str) -> None:
    with pytest.raises(StoreError, match=told):
        TrackerStore.create(EndpointConfig(type=TYPE, **setting), DOMAIN)


async def test_an_event_broker_is_refused(database: Database) -> None:
    with pytest.raises(StoreError, match="event_broker: not supported"):
        PlateauTrackerStore(DOMAIN, None, object(), database=database)
