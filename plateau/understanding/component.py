"""Rasa's graph component around the reader: what was read becomes the message's intent and entities."""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.nlu.training_data.message import Message

from plateau.understanding._reader import Reader
from plateau.understanding._turn import interpret

# Rasa keeps `restart` for itself.
RASA_NAMES = {"restart": "restart_interview"}


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=False)
class ReaderComponent(GraphComponent):  # type: ignore[misc]
    """Reads each message against the question the form has just asked."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> ReaderComponent:
        return cls(Reader())

    def process(self, messages: list[Message], tracker: DialogueStateTracker) -> list[Message]:
        for message in messages:
            text = message.get("text")
            # A payload is the developer's shorthand; Rasa reads it itself, after this component.
            if text and not text.startswith("/"):
                self._read(message, text, tracker)
        return messages

    def _read(self, message: Message, text: str, tracker: DialogueStateTracker) -> None:
        slots = tracker.current_slot_values()
        asked = slots.get("requested_slot") if tracker.active_loop_name else None
        guess = message.get("intent") or {}
        name, confidence = guess.get("name"), guess.get("confidence", 0.0)
        turn = interpret(self._reader, text, question=asked, held=slots, intent=name, confidence=confidence)
        # Not an output: it would be stored with the message, and only `plateau read` asks for it.
        message.set("reading", turn.reading)
        message.set("intent", {"name": RASA_NAMES.get(turn.intent, turn.intent), "confidence": 1.0}, add_to_output=True)
        entities = [_entity(name, value, text) for name, value in turn.entities.items()]
        message.set("entities", (message.get("entities") or []) + entities, add_to_output=True)


def _entity(name: str, value: Any, text: str) -> dict[str, Any]:
    return {"entity": name, "value": value, "start": 0, "end": len(text), "extractor": "ReaderComponent"}
