"""A conversation of any length as the few events that Rasa needs to go on with it.

Every rule looks back to the start of the turn at most, so that what was said before matters only through the slots, the
active form and how many turns there were. Rasa would replay the whole conversation several times in each turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rasa.shared.core.constants import ACTION_LISTEN_NAME, ACTION_SESSION_START_NAME
from rasa.shared.core.events import ActionExecuted, ActiveLoop, Event, LoopInterrupted, SessionStarted, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker


class SlotsCarried(Event):  # type: ignore[misc]
    """All slots that differ from a new tracker's, in one event, and how many messages of the user came before it."""

    type_name = "slots_carried"

    def __init__(
        self,
        slots: Mapping[str, Any],
        turns: int,
        timestamp: float | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.slots, self.turns = dict(slots), turns
        super().__init__(timestamp, metadata)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SlotsCarried):
            return NotImplemented
        return (self.slots, self.turns) == (other.slots, other.turns)

    def __hash__(self) -> int:
        return hash((self.type_name, self.turns, *sorted(self.slots)))

    def __str__(self) -> str:
        # Without the values: they are the patient's.
        return f"{type(self).__name__}({len(self.slots)} slots, {self.turns} turns)"

    __repr__ = __str__

    def as_dict(self) -> dict[str, Any]:
        return {**super().as_dict(), "slots": self.slots, "turns": self.turns}

    @classmethod
    def _from_parameters(cls, parameters: dict[str, Any]) -> SlotsCarried:
        timestamp, metadata = parameters.get("timestamp"), parameters.get("metadata")
        return cls(parameters["slots"], parameters["turns"], timestamp, metadata)

    def as_story_string(self) -> None:
        """Return nothing: it belongs to no story."""
        return

    def apply_to(self, tracker: DialogueStateTracker) -> None:
        """Set the slots; one that the model no longer has is left out."""
        for name, value in self.slots.items():
            if name in tracker.slots:
                tracker._set_slot(name, value)


class Aside(Event):  # type: ignore[misc]
    """Something said in between that the dialogue takes no notice of, by the patient, the staff or the gateway.

    It is a turn like any other: it has a number and a reply.
    """

    type_name = "aside"

    def __init__(
        self, who: str, text: str, timestamp: float | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self.who, self.text = who, text
        super().__init__(timestamp, metadata)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Aside):
            return NotImplemented
        return (self.who, self.text) == (other.who, other.text)

    def __hash__(self) -> int:
        return hash((self.type_name, self.who, self.text))

    def __str__(self) -> str:
        # Without the text: it may be the patient's.
        return f"{type(self).__name__}({self.who})"

    __repr__ = __str__

    def as_dict(self) -> dict[str, Any]:
        return {**super().as_dict(), "who": self.who, "text": self.text}

    @classmethod
    def _from_parameters(cls, parameters: dict[str, Any]) -> Aside:
        return cls(parameters["who"], parameters["text"], parameters.get("timestamp"), parameters.get("metadata"))

    def as_story_string(self) -> None:
        """Return nothing: it belongs to no story."""
        return

    def apply_to(self, tracker: DialogueStateTracker) -> None:
        """Change nothing."""


def turns_of(tracker: DialogueStateTracker) -> int:
    """Return how many messages of the user the conversation has had, those before the tracker's first event too."""
    turns = 0
    for event in tracker.events:
        if isinstance(event, SlotsCarried):
            turns = event.turns
        elif isinstance(event, UserUttered | Aside):
            turns += 1
    return turns


def slots_before(tracker: DialogueStateTracker) -> Mapping[str, Any] | None:
    """Return the slots as they were when the turn began; None where the tracker does not tell."""
    first = tracker.events[0] if tracker.events else None
    return first.slots if isinstance(first, SlotsCarried) else None


def carried(tracker: DialogueStateTracker) -> list[Event]:
    """Return the events that bring a new tracker to where this one waits for the next message."""
    changed = {name: slot.value for name, slot in tracker.slots.items() if slot.value != slot.initial_value}
    events: list[Event] = [SlotsCarried(changed, turns_of(tracker))]
    if (loop := tracker.active_loop) is not None and loop.name:
        events += [ActionExecuted(loop.name), ActiveLoop(loop.name)]
        if loop.is_interrupted:
            events.append(LoopInterrupted(True))
    return [*events, ActionExecuted(ACTION_LISTEN_NAME)]


def new_session(slots: Mapping[str, Any], turns: int = 0) -> list[Event]:
    """Return the events that begin a new session with these slots and no form, after that many messages."""
    return [*_opening(), SlotsCarried(slots, turns), ActionExecuted(ACTION_LISTEN_NAME)]


def next_session(tracker: DialogueStateTracker) -> list[Event]:
    """Return the events that begin a new session in which the conversation goes on as if nothing had happened."""
    return [*_opening(), *carried(tracker)]


def shortened(tracker: DialogueStateTracker, slots: Iterable[Any]) -> DialogueStateTracker:
    """Return a tracker that goes on like this one, which waits for a message, with a few events only."""
    short = DialogueStateTracker(tracker.sender_id, slots)
    for event in carried(tracker):
        short.update(event)
    return short


def waits(tracker: DialogueStateTracker) -> bool:
    """Tell whether the tracker waits for a message with nothing pending, so that it can be carried."""
    return (
        tracker.latest_action_name == ACTION_LISTEN_NAME and not tracker.is_paused() and tracker.followup_action is None
    )


def _opening() -> list[Event]:
    return [ActionExecuted(ACTION_SESSION_START_NAME), SessionStarted()]
