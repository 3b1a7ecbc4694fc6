"""Rasa's agent inside our process: our actions, our tracker store, nothing that goes on in silence."""

from __future__ import annotations

from pathlib import Path

from rasa.core.agent import Agent

from plateau import sealing
from plateau.content import Clinic, clinic
from plateau.server._actions import InProcessActions, install
from plateau.server._lean import make_lean
from plateau.server.tracker_store import PlateauTrackerStore, Projector, make_loud
from plateau.store import Database

PRIVACY = "utter_privacy"


class ModelMissing(RuntimeError):
    """There is no trained model, or it cannot be loaded; the message says how to make one."""


def ear_is_sealed(model: Path) -> bool:
    """Tell whether what the safety net has learned is what was signed; where not, its plain rules listen."""
    try:
        sealing.Seal(model, sealing.public_key()).check_weights()
    except sealing.BrokenSeal:
        return False
    return True


def _reword(agent: Agent, here: Clinic) -> None:
    """Let the dialogue's own responses say what this clinic says, as every other text does."""
    for name, variations in agent.domain.responses.items():
        for variation in variations:
            variation["text"] = here.worded(variation["text"])
            if name == PRIVACY and "privacy" in here.texts:
                variation["text"] = here.texts["privacy"]


def load_agent(model: Path, database: Database, projector: Projector) -> tuple[Agent, PlateauTrackerStore]:
    """Load the model at `model` (a .tar.gz of `rasa train`) over `database`; raises ModelMissing or BrokenSeal."""
    if not model.is_file():
        raise ModelMissing(f"{model}: there is no trained model; run `make setup`")
    # What is not as it was signed is not even opened.
    seal = sealing.Seal(model, sealing.public_key())
    seal.check_weights()
    seal.check_model()
    install()
    agent = Agent(tracker_store=PlateauTrackerStore(database=database, short=True), action_endpoint=InProcessActions())
    try:
        agent.load_model(model)
    except Exception as error:
        kind = type(error).__name__
        raise ModelMissing(f"{model} cannot be loaded ({kind}); run `make setup` to train it anew") from error
    make_lean(agent)
    _reword(agent, clinic())
    store = make_loud(agent)
    store.projector = projector
    return agent, store
