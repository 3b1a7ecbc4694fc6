"""Runs the actions in Rasa's own process: no second server, no schema compiled on each call, no words in a log."""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from rasa.core.actions.action import RemoteAction
from rasa.shared.core.events import SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig
from rasa_sdk.executor import ActionExecutor

logger = logging.getLogger(__name__)

# Seconds one action may take; a turn has about five.
BUDGET = 5.0


@dataclass
class Failures:
    """The actions that failed in this turn: Rasa itself goes on as if nothing had happened."""

    names: list[str] = field(default_factory=list)


failures: ContextVar[Failures | None] = ContextVar("plateau_action_failures", default=None)


class _Executor(ActionExecutor):  # type: ignore[misc]
    """Fails on events that are none, which the SDK and Rasa would drop with no more than a line in a log."""

    @staticmethod
    def validate_events(events: Any, action_name: str) -> list[dict[str, Any]]:
        if not isinstance(events, list) or not all(map(_is_event, events)):
            raise TypeError(f"{action_name} returned something else than a list of events")
        return events


def _is_event(event: Any) -> bool:
    if not isinstance(event, dict) or not event.get("event"):
        return False
    return event["event"] != SlotSet.type_name or isinstance(event.get("name"), str)


class InProcessActions(EndpointConfig):  # type: ignore[misc]
    """Stands where Rasa expects the address of an action server, and runs the action itself."""

    def __init__(self, package: str = "actions", budget: float = BUDGET) -> None:
        super().__init__(url="in-process")
        self.kwargs["enable_selective_domain"] = True
        self._budget = budget
        self._executor = _Executor()
        self._executor.register_package(package)

    async def request(self, method: str = "post", **arguments: Any) -> Any:
        """Run the action named in `json`; raises what the action raises, TimeoutError when it takes too long."""
        return await asyncio.wait_for(self._executor.run(arguments["json"]), self._budget)


def install() -> None:
    """Make Rasa's calls to actions cheap and loud: no JSON schema of the result, only this turn's events sent.

    Measured: 19 ms a call with the stock code, growing with the conversation; under 0.3 ms so (docs/decisions/0004).
    """
    RemoteAction.run = _run
    RemoteAction._validate_action_result = _validate_result
    RemoteAction._action_call_format = _call


_stock_run = RemoteAction.run


async def _run(self: RemoteAction, *arguments: Any, **named: Any) -> Any:
    """Run an action as Rasa does, but note one that fails: Rasa would log its error, which may quote the patient."""
    try:
        return await _stock_run(self, *arguments, **named)
    except Exception as error:
        logger.error("action %s failed: %s", self.name(), type(error).__name__)
        held = failures.get()
        if held is not None:
            held.names.append(self.name())
        return []


def _validate_result(self: RemoteAction, result: dict[str, Any]) -> bool:
    """Take what our own executor made as it is: it checks the events, and Rasa fails on any it cannot read."""
    return True


def _call(self: RemoteAction, tracker: DialogueStateTracker, domain: Any) -> dict[str, Any]:
    # What the SDK's tracker is made of; Rasa's own description would copy the message that began the form, each time.
    state = {
        "sender_id": tracker.sender_id,
        "slots": tracker.current_slot_values(),
        "latest_message": tracker._latest_message_data(),
        "events": _this_turn(tracker),
        "paused": tracker.is_paused(),
        "followup_action": tracker.followup_action,
        "active_loop": dict(vars(tracker.active_loop)) if tracker.active_loop else {},
        "latest_action_name": tracker.latest_action_name,
    }
    call = {"next_action": self._name, "sender_id": tracker.sender_id, "tracker": state, "version": ""}
    if domain.does_custom_action_explicitly_need_domain(self.name()):
        call["domain"] = {"forms": domain.forms}
    return call


def _this_turn(tracker: DialogueStateTracker) -> list[dict[str, Any]]:
    turn: list[dict[str, Any]] = []
    for event in reversed(tracker.events):
        turn.append(event.as_dict())
        if isinstance(event, UserUttered):
            break
    return turn[::-1]
