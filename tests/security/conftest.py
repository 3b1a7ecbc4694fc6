"""What the tests of several files here share: a server whose model is not as it was signed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from real_server import ROOT, UNLIMITED, RealServer

from plateau import sealing


@pytest.fixture(scope="session")
def unsealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """A real server, begun to start, of whose model one byte was changed."""
    model = tmp_path_factory.mktemp("model") / "plateau.tar.gz"
    shutil.copy(ROOT / sealing.MODEL, model)
    shutil.copy(sealing.seal_file(ROOT / sealing.MODEL), sealing.seal_file(model))
    with model.open("r+b") as content:
        content.seek(1000)
        byte = content.read(1)
        content.seek(1000)
        content.write(bytes([byte[0] ^ 1]))
    data = tmp_path_factory.mktemp("data")
    with RealServer(data, model=str(model), metrics_token="for-these-tests-only", **UNLIMITED) as server:
        yield server
