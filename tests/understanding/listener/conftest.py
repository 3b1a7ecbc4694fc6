"""The listener, built once: its pipeline takes seconds to import."""

import pytest

from plateau.understanding.listener import Listener


@pytest.fixture(scope="session")
def listener() -> Listener:
    return Listener()
