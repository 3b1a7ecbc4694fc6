"""Reads single messages with a trained model, as the conversation does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rasa.core.agent import Agent
from rasa.core.channels.channel import UserMessage
from rasa.core.processor import MessageProcessor
from rasa.engine.constants import PLACEHOLDER_MESSAGE, PLACEHOLDER_TRACKER
from rasa.shared.core.events import ActiveLoop, SlotSet
from rasa.shared.core.trackers import DialogueStateTracker

from plateau.protocol import QUESTIONS
from plateau.understanding._turn import Turn
from plateau.understanding.explain import Explanation, explain

# The record's own name for "one of the safety lists was asked".
SAFETY = "red_flags"


class ModelReader:
    """A trained model that reads single messages."""

    def __init__(self, model: Path) -> None:
        """Load the model; raises ValueError where it reads no messages."""
        processor = Agent.load(model).processor
        if processor is None:
            raise ValueError(f"{model} holds no model for messages")
        self._processor: MessageProcessor = processor

    def read(self, text: str, question: str | None) -> dict[str, Any]:
        """Return {"answers", "intent", "red_flags"} of `text`, asked `question`."""
        return dict(_turn(self._processor, text, question).reading)

    def explained(self, text: str, question: str | None) -> tuple[dict[str, Any], Explanation]:
        """Return the reading of `text`, asked `question`, and how it came about."""
        turn = _turn(self._processor, text, question)
        return dict(turn.reading), explain(turn)


def _turn(processor: MessageProcessor, text: str, question: str | None) -> Turn:
    tracker = DialogueStateTracker("read", processor.domain.slots)
    if question is not None:
        # The record has one id for all safety lists; any of them reads alike.
        question = "safety_now" if question == SAFETY else question
        section = QUESTIONS[question].section
        tracker.update(ActiveLoop(f"{section}_form"))
        tracker.update(SlotSet("requested_slot", question))
    results = processor.graph_runner.run(
        inputs={PLACEHOLDER_MESSAGE: [UserMessage(_words(text))], PLACEHOLDER_TRACKER: tracker},
        targets=[processor.model_metadata.nlu_target],
    )
    turn: Turn = results[processor.model_metadata.nlu_target][0].get("turn")
    return turn


def _words(text: str) -> str:
    # As the gateway does: what starts with "/" is words too, not a payload. Rasa reads no blank message.
    bare = text.strip()
    return f"\u2060{bare}" if not bare or bare.startswith("/") else text
