"""A conversation of any length goes on from a few events: same slots, same form, same number of turns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import (
    ActionExecuted,
    ActiveLoop,
    ConversationPaused,
    Event,
    FollowupAction,
    LoopInterrupted,
    SlotSet,
    UserUttered,
)
from rasa.shared.core.trackers import DialogueStateTracker

from plateau.server import tracker_store as module
from plateau.server._carried import SlotsCarried, carried, next_session, shortened, turns_of, waits
from plateau.server.tracker_store import PlateauTrackerStore
from plateau.store import Database

New = Callable[[str], Awaitable[Any]]
in_one_loop = pytest.mark.asyncio(loop_scope="session")

DOMAIN = Domain.from_yaml(
    """
version: "3.1"
intents: [answer]
slots:
  pain_now: {type: any, mappings: [{type: custom}]}
  tried: {type: list, mappings: [{type: custom}]}
  begun: {type: bool, initial_value: true, mappings: [{type: custom}]}
  requested_slot: {type: any, mappings: [{type: custom}]}
forms:
  pain_form: {required_slots: []}
"""
)
LISTEN = ActionExecuted("action_listen")


def tracker_of(*events: Event) -> DialogueStateTracker:
    return DialogueStateTracker.from_events("c1", list(events), DOMAIN.slots)


def state(tracker: DialogueStateTracker) -> Any:
    loop = tracker.active_loop
    return (
        tracker.current_slot_values(),
        (loop.name, loop.is_interrupted) if loop and loop.name else None,
        tracker.latest_action_name,
        turns_of(tracker),
    )


TURNS = st.lists(
    st.sampled_from(
        [
            (UserUttered("seven"), SlotSet("pain_now", 7), LISTEN),
            (UserUttered("none"), SlotSet("pain_now", None), SlotSet("begun", None), LISTEN),
            (UserUttered("xray"), SlotSet("tried", ["xray"]), ActiveLoop("pain_form"), LISTEN),
            (UserUttered("why"), LoopInterrupted(True), LISTEN),
            (UserUttered("done"), ActiveLoop(None), LISTEN),
        ]
    ),
    min_size=1,
    max_size=12,
)


@given(turns=TURNS, cuts=st.sets(st.integers(0, 11)))
def test_a_tracker_shortened_anywhere_and_any_number_of_times_ends_the_same(turns: Any, cuts: set[int]) -> None:
    whole, short = tracker_of(LISTEN), tracker_of(LISTEN)
    for number, events in enumerate(turns):
        for event in events:
            whole.update(event)
            short.update(event)
        if number in cuts:
            short = shortened(short, DOMAIN.slots)
    assert state(short) == state(whole)
    assert len(carried(short)) <= 5


@given(turns=TURNS)
def test_what_begins_the_next_session_comes_back_from_its_dictionaries(turns: Any) -> None:
    whole = tracker_of(LISTEN, *(event for events in turns for event in events))
    back = tracker_of(*(module._event(event.as_dict()) for event in next_session(whole)))
    assert state(back) == state(whole)


def test_a_slot_that_the_model_no_longer_has_is_left_out() -> None:
    tracker = tracker_of(SlotsCarried({"pain_now": 3, "shoe_size": 46}, turns=4), LISTEN)
    assert (tracker.get_slot("pain_now"), turns_of(tracker)) == (3, 4)


def test_the_event_shows_no_answer() -> None:
    assert "burning" not in repr(SlotsCarried({"pain_now": "burning"}, turns=1))


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ([LISTEN], True),
        ([], False),
        ([LISTEN, UserUttered("hm")], True),
        ([LISTEN, ConversationPaused()], False),
        ([LISTEN, FollowupAction("action_x")], False),
        ([LISTEN, ActionExecuted("pain_form")], False),
    ],
)
def test_only_what_waits_for_a_message_is_carried(last: list[Event], expected: bool) -> None:
    assert waits(tracker_of(*last)) is expected


async def test_a_short_store_keeps_every_event_and_hands_out_few(database: Database) -> None:
    workers = [PlateauTrackerStore(DOMAIN, database=database, short=True) for _ in range(2)]
    tracker = await workers[0].create_tracker("c1")
    for number in range(40):
        tracker.update(UserUttered(f"message {number}"))
        tracker.update(SlotSet("pain_now", number))
        tracker.update(ActionExecuted("action_listen"))
        await workers[number % 2].save(tracker)
        tracker = await workers[(number + 1) % 2].retrieve("c1")
        assert (len(tracker.events), tracker.get_slot("pain_now"), turns_of(tracker)) == (2, number, number + 1)
    whole = await workers[0].retrieve_full_tracker("c1")
    assert [event.text for event in whole.events if isinstance(event, UserUttered)] == [
        f"message {number}" for number in range(40)
    ]


@in_one_loop
async def test_a_conversation_over_250_events_goes_on_unnoticed(patient: New, monkeypatch: pytest.MonkeyPatch) -> None:
    someone = await patient("you")
    asked, number = someone.asked, someone.turn["number"]
    for turn in range(1, 31):
        if turn % 7 == 0:
            # As another worker has it, that knows the conversation from the database only.
            someone.app.state.gateway.turns._store.discard(someone.conversation)
        await someone.send(text="why do you ask?")
        assert (someone.asked, someone.turn["number"]) == (asked, number + turn)
    kinds = [row["type"] for row in someone.rows()["events"]]
    assert len(kinds) > 250
    assert kinds.count("session_started") > 1
    assert kinds.count("user") == someone.turn["number"]
