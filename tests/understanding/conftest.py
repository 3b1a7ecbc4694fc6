from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plateau.cli import read as command

MODEL = Path(__file__).parents[2] / "models" / "plateau.tar.gz"


@pytest.fixture(scope="session")
def read() -> Callable[[str, str | None], dict[str, Any]]:
    """What the trained model reads from a message, given the question asked, as the conversation does."""
    return command.load(str(MODEL)).read
