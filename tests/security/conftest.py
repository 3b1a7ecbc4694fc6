"""The real servers of these tests; those that the chosen tests need start beside each other, each once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from real_server import ROOT, UNLIMITED, RealServer

from plateau import sealing

TOKEN = "for-these-tests-only"
# An action that fails with the patient's own words in its error, as a careless one would; and a gateway that logs what
# has one word in it, for the search of the canaries to find; in pieces, for this here is in the process's environment.
CARELESS = """
import logging
import actions.dialogue as dialogue
import plateau.server._incoming as incoming
def run(self, dispatcher, tracker, domain):
    raise ValueError(f"cannot explain {tracker.latest_message} of {tracker.slots}")
dialogue.ExplainWhy.run = run
plain = incoming.clean
def clean(text):
    if "ibis" + "leak" in text:
        logging.getLogger("plateau").warning("got %s", text)
    return plain(text)
incoming.clean = clean
"""


def attacked(folder: Path) -> RealServer:
    return RealServer(folder, **UNLIMITED)


def careless(folder: Path) -> RealServer:
    return RealServer(folder, {"TEST_PRELUDE": CARELESS}, log="json", metrics_token=TOKEN, **UNLIMITED)


def unsealed(folder: Path) -> RealServer:
    """Of its model one byte was changed."""
    model = folder / "model" / "plateau.tar.gz"
    model.parent.mkdir()
    shutil.copy(ROOT / sealing.MODEL, model)
    shutil.copy(sealing.seal_file(ROOT / sealing.MODEL), sealing.seal_file(model))
    with model.open("r+b") as content:
        content.seek(1000)
        byte = content.read(1)
        content.seek(1000)
        content.write(bytes([byte[0] ^ 1]))
    return RealServer(folder / "data", model=str(model), metrics_token=TOKEN, **UNLIMITED)


KINDS: dict[str, Callable[[Path], RealServer]] = {
    f"{kind.__name__}_server": kind for kind in (attacked, careless, unsealed)
}


@pytest.fixture(scope="session", autouse=True)
def begun(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RealServer]]:
    """The servers by the names of their fixtures, begun to start."""
    needed = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(kind(tmp_path_factory.mktemp(name)))
            for name, kind in KINDS.items()
            if name in needed
        }


@pytest.fixture(scope="session")
def attacked_server(begun: dict[str, RealServer]) -> RealServer:
    begun["attacked_server"].until("/ready")
    return begun["attacked_server"]


@pytest.fixture(scope="session")
def careless_server(begun: dict[str, RealServer]) -> RealServer:
    begun["careless_server"].until("/ready")
    return begun["careless_server"]


@pytest.fixture(scope="session")
def unsealed_server(begun: dict[str, RealServer]) -> RealServer:
    begun["unsealed_server"].until_log("is not what was signed (model)")
    return begun["unsealed_server"]
