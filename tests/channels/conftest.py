"""One house for the tests of a file: loading the model takes longer than all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from phones import STAFF, House, house


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A clinic with every channel switched on, whose staff wants to be told of everything."""
    async with house(tmp_path_factory.mktemp("house"), staff=STAFF) as made:
        yield made
        assert made.violations() == []
