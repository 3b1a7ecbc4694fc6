"""Reads single messages with a trained model, as the conversation does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rasa.core.agent import Agent
from rasa.core.channels.channel import UserMessage
from rasa.core.processor import MessageProcessor
from rasa.engine.constants import PLACEHOLDER_MESSAGE, PLACEHOLDER_TRACKER
from rasa.shared.core.events import ActiveLoop, SlotSet
from rasa.shared.core.trackers import DialogueStateTracker

from plateau.protocol import QUESTIONS

# The record's own name for "one of the safety lists was asked".
SAFETY = "red_flags"


def load_reading(model: Path) -> Callable[[str, str | None], dict[str, Any]]:
    """Load `model`; returns a function from (text, question id or None) to {"answers", "intent", "red_flags"}."""
    processor = Agent.load(model).processor
    if processor is None:
        raise ValueError(f"{model} holds no model for messages")

    def read(text: str, question: str | None) -> dict[str, Any]:
        return _read(processor, text, question)

    return read


def _read(processor: MessageProcessor, text: str, question: str | None) -> dict[str, Any]:
    tracker = DialogueStateTracker("read", processor.domain.slots)
    if question is not None:
        # The record has one id for all safety lists; any of them reads alike.
        question = "safety_now" if question == SAFETY else question
        section = QUESTIONS[question].section
        tracker.update(ActiveLoop(f"{section}_form"))
        tracker.update(SlotSet("requested_slot", question))
    results = processor.graph_runner.run(
        inputs={PLACEHOLDER_MESSAGE: [UserMessage(text)], PLACEHOLDER_TRACKER: tracker},
        targets=[processor.model_metadata.nlu_target],
    )
    reading: dict[str, Any] = results[processor.model_metadata.nlu_target][0].get("reading")
    return reading
