from __future__ import annotations

from datetime import date

import pytest

from plateau.understanding import Reader


@pytest.fixture(scope="session")
def reader() -> Reader:
    """A reader on Monday 23 November 2026."""
    return Reader(today=date(2026, 11, 23))
