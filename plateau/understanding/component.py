"""Rasa's graph component around the reader: what was read becomes the message's intent and entities."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from plateau.understanding._learned import Learned
from plateau.understanding._lessons import Lesson, lessons_to_examples, load_lessons
from plateau.understanding._reader import Reader
from plateau.understanding._turn import interpret

# Rasa keeps `restart` for itself.
RASA_NAMES = {"restart": "restart_interview"}
OWN_NAMES = {theirs: own for own, theirs in RASA_NAMES.items()}
# Only taps send it; nobody says it.
TAPPED = ("resume",)


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class ReaderComponent(GraphComponent):  # type: ignore[misc]
    """Reads each message against the question just asked; learns from Rasa's NLU examples and from `examples`."""

    def __init__(self, storage: ModelStorage, resource: Resource, learned: Learned | None = None) -> None:
        self._storage, self._resource = storage, resource
        self._reader = Reader(learned=learned) if learned else None

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> ReaderComponent:
        return cls(model_storage, resource)

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> ReaderComponent:
        with model_storage.read_from(resource) as folder:
            return cls(model_storage, resource, Learned.load(folder))

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str:
        # What the rules see is learned from too, so a changed rule or lexicon needs a new training.
        total = hashlib.sha256()
        for path in sorted(Path(__file__).parent.rglob("*")):
            if path.suffix in (".py", ".yml"):
                total.update(path.read_bytes())
        return total.hexdigest()

    def train(self, training_data: TrainingData) -> Resource:
        examples = lessons_to_examples([*_lessons(training_data), *load_lessons()], Reader())
        with self._storage.write_to(self._resource) as folder:
            Learned.fit(examples).save(folder)
        return self._resource

    def process(self, messages: list[Message], tracker: DialogueStateTracker) -> list[Message]:
        if self._reader is None:
            raise ValueError("the reader has not been trained")
        for message in messages:
            text = message.get("text")
            # A payload is the developer's shorthand; Rasa reads it itself, after this component.
            if text and not text.startswith("/"):
                self._read(self._reader, message, text, tracker)
        return messages

    def _read(self, reader: Reader, message: Message, text: str, tracker: DialogueStateTracker | None) -> None:
        slots = tracker.current_slot_values() if tracker else {}
        asked = slots.get("requested_slot") if tracker and tracker.active_loop_name else None
        turn = interpret(reader, text, question=asked, held=slots)
        # Not an output: it would be stored with the message, and only `plateau read` asks for it.
        message.set("turn", turn)
        message.set("intent", {"name": RASA_NAMES.get(turn.intent, turn.intent), "confidence": 1.0}, add_to_output=True)
        entities = [_entity(name, value, text) for name, value in turn.entities.items()]
        message.set("entities", (message.get("entities") or []) + entities, add_to_output=True)


def _lessons(training_data: TrainingData) -> Iterator[Lesson]:
    for example in training_data.intent_examples:
        intent = example.get("intent")
        if intent in TAPPED:
            continue
        told = (example.get("metadata") or {}).get("intent") or {}
        yield Lesson(example.get("text"), OWN_NAMES.get(intent, intent), told.get("question"))


def _entity(name: str, value: Any, text: str) -> dict[str, Any]:
    return {"entity": name, "value": value, "start": 0, "end": len(text), "extractor": "ReaderComponent"}
