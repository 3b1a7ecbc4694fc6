"""Takes work out of Rasa's turns that changes nothing; docs/benchmarks.md says what each part of it gained."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from graphlib import TopologicalSorter
from types import SimpleNamespace
from typing import Any

from rasa.core import processor
from rasa.core.actions import action, forms
from rasa.core.agent import Agent
from rasa.core.policies import rule_policy
from rasa.core.policies.rule_policy import RulePolicy
from rasa.engine.runner.dask import DaskGraphRunner
from rasa.shared.core import trackers
from rasa.shared.core.constants import REQUESTED_SLOT, USER, SlotMappingType
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, Event, SlotSet
from rasa.shared.core.slots import Slot
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.nlu.constants import TEXT

FROM_ENTITY, CUSTOM = str(SlotMappingType.FROM_ENTITY), str(SlotMappingType.CUSTOM)
# So many different places of a dialogue have their rules remembered; ours has some hundreds.
MOST_PLACES = 5000


class DirectRunner:
    """Runs the nodes of a loaded model's graph one after the other, in an order worked out once for each target.

    Rasa plans the graph anew for each prediction, hands it to Dask, and writes the whole tracker into a debug message.
    """

    def __init__(self, runner: DaskGraphRunner) -> None:
        self._schema, self._nodes = runner._graph_schema, runner._instantiated_nodes
        self._orders: dict[tuple[str, ...], list[tuple[str, tuple[str, ...]]]] = {}

    def run(self, inputs: Mapping[str, Any] | None = None, targets: Sequence[str] | None = None) -> dict[str, Any]:
        """Return the outputs of `targets` by name; `inputs` stand for nodes that are not run."""
        wanted = tuple(targets or self._schema.target_names)
        done = {name: (name, value) for name, value in (inputs or {}).items()}
        for name, needs in self._order(wanted):
            if name not in done:
                done[name] = self._nodes[name](*(done.get(need, need) for need in needs))
        return {name: done[name][1] for name in wanted}

    def _order(self, wanted: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
        if wanted not in self._orders:
            nodes = self._schema.minimal_graph_schema(list(wanted)).nodes
            needs = {name: tuple(node.needs.values()) for name, node in nodes.items()}
            self._orders[wanted] = [
                (name, needs[name]) for name in TopologicalSorter(needs).static_order() if name in needs
            ]
        return self._orders[wanted]


def make_lean(agent: Agent) -> None:
    """Let a loaded agent run its model directly, and do what it does several times a turn once, or quickly."""
    agent.processor.graph_runner = DirectRunner(agent.processor.graph_runner)
    # Each tracker, some ten a turn, copied some ninety slots; now they share them, and one that changes is replaced.
    trackers.copy = SimpleNamespace(copy=lambda slot: slot)
    DialogueStateTracker._set_slot = _set_slot
    DialogueStateTracker._reset_slots = _reset_slots
    DialogueStateTracker.copy = _copied_tracker
    DialogueStateTracker.generate_all_prior_trackers = _prior_outlines
    forms.FormAction._temporary_tracker = _with_events
    action.ActionExtractSlots.run = _extracted
    default_actions = _stock_default_actions(agent.action_endpoint)
    action.default_actions = lambda endpoint=None: default_actions
    Event.resolve_by_type = staticmethod(_event_type)
    RulePolicy._get_possible_keys = _rules_that_fit
    # What these modules copy they do for debug messages that nobody reads.
    for module in (processor, forms, rule_policy):
        module.copy = SimpleNamespace(deepcopy=lambda value: value)
    processor.MessageProcessor._log_slots = staticmethod(lambda tracker: None)


def _copied(slot: Slot) -> Slot:
    copied = object.__new__(type(slot))
    copied.__dict__.update(slot.__dict__)
    return copied


def _copied_tracker(tracker: DialogueStateTracker) -> DialogueStateTracker:
    """Copy the state where Rasa replays all events; what the two share is replaced when it changes, never altered."""
    copied = object.__new__(type(tracker))
    copied.__dict__.update(tracker.__dict__)
    copied.events = deque(tracker.events, tracker.events.maxlen)
    copied.slots = dict(tracker.slots)
    copied.active_loop = copy.copy(tracker.active_loop)
    return copied


def _set_slot(tracker: DialogueStateTracker, name: str, value: Any) -> None:
    if name in tracker.slots:
        slot = _copied(tracker.slots[name])
        slot.value = value
        tracker.slots[name] = slot


def _reset_slots(tracker: DialogueStateTracker) -> None:
    for name, slot in tracker.slots.items():
        if slot.has_been_set:
            fresh = _copied(slot)
            fresh.reset()
            tracker.slots[name] = fresh


def _with_events(
    form: forms.FormAction, tracker: DialogueStateTracker, events: Sequence[Event], domain: Domain
) -> DialogueStateTracker:
    """Return the tracker that a form's validation sees: this one, with the form run and these events."""
    seen = tracker.copy()
    asked = SlotSet(REQUESTED_SLOT, form.get_slot_to_fill(tracker))
    for event in (asked, ActionExecuted(form.name()), *events):
        seen.update(event)
    return seen


class _Outline(DialogueStateTracker):  # type: ignore[misc]
    """A tracker that has only the slots that rules look at; `_set_slot` lets the others pass."""


def _prior_outlines(tracker: DialogueStateTracker) -> Iterator[tuple[DialogueStateTracker, bool]]:
    """Yield the tracker before each action and at the end, as Rasa does, but with the slots that make a state only."""
    seen = [slot for slot in tracker.slots.values() if slot.influence_conversation]
    outline = _Outline(tracker.sender_id, seen, is_rule_tracker=tracker.is_rule_tracker)
    for event in tracker.applied_events():
        if isinstance(event, ActionExecuted):
            yield outline, event.hide_rule_turn
        outline.update(event)
    yield outline, False


_PLACES = "plateau_places"
_stock_rules_that_fit = RulePolicy._get_possible_keys
_stock_extract = action.ActionExtractSlots.run
_stock_default_actions = action.default_actions
_stock_event_type = Event.resolve_by_type


async def _extracted(self: Any, channel: Any, nlg: Any, tracker: DialogueStateTracker, domain: Domain) -> Any:
    """Look for values of those slots only that the message can have one for, among some ninety."""
    named = {entity["entity"] for entity in tracker.latest_message.entities}
    narrow = copy.copy(domain)
    narrow.slots = [slot for slot in domain.slots if any(_may_fill(mapping, named) for mapping in slot.mappings)]
    return await _stock_extract(self, channel, nlg, tracker, narrow)


def _may_fill(mapping: Mapping[str, Any], named: set[str]) -> bool:
    """Tell whether a slot's mapping may give it a value: from an entity that is named, or from an action."""
    if mapping["type"] == FROM_ENTITY:
        return mapping["entity"] in named
    return mapping["type"] != CUSTOM or "action" in mapping


def _rules_that_fit(policy: RulePolicy, lookup: dict[str, str], states: Sequence[Mapping[str, Any]]) -> set[str]:
    """Remember which rules fit which states: a dialogue comes to the same places again and again.

    No rule looks at what exactly was typed, so that is left out of what is remembered, and with it the patient's words.
    """
    places: dict[tuple[int, str], set[str]] = vars(policy).setdefault(_PLACES, {})
    outlined = [_without_words(state) for state in states]
    place = (id(lookup), repr(outlined))
    if place not in places:
        if len(places) >= MOST_PLACES:
            places.clear()
        places[place] = _stock_rules_that_fit(policy, lookup, outlined)
    return places[place]


def _without_words(state: Mapping[str, Any]) -> Mapping[str, Any]:
    words = state.get(USER, {}).get(TEXT)
    return {**state, USER: {**state[USER], TEXT: "words"}} if words else state


@cache
def _event_type(name: str, default: type[Event] | None = None) -> type[Event] | None:
    """Find an event's class once; Rasa goes through all of them for each event."""
    found: type[Event] | None = _stock_event_type(name, default)
    return found
