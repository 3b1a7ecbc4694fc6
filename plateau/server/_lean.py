"""Takes work out of Rasa's turns that changes nothing; docs/benchmarks.md says what each part of it gained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any

from rasa.core.agent import Agent
from rasa.engine.runner.dask import DaskGraphRunner
from rasa.shared.core.slots import Slot


class DirectRunner:
    """Runs the nodes of a loaded model's graph one after the other, in an order worked out once for each target.

    Rasa plans the graph anew for each prediction, hands it to Dask, and writes the whole tracker into a debug message.
    """

    def __init__(self, runner: DaskGraphRunner) -> None:
        self._schema, self._nodes = runner._graph_schema, runner._instantiated_nodes
        self._orders: dict[tuple[str, ...], list[tuple[str, tuple[str, ...]]]] = {}

    def run(self, inputs: Mapping[str, Any] | None = None, targets: Sequence[str] | None = None) -> dict[str, Any]:
        """Return the outputs of `targets` by name; `inputs` stand for nodes that are not run."""
        wanted = tuple(targets or self._schema.target_names)
        done = {name: (name, value) for name, value in (inputs or {}).items()}
        for name, needs in self._order(wanted):
            if name not in done:
                done[name] = self._nodes[name](*(done.get(need, need) for need in needs))
        return {name: done[name][1] for name in wanted}

    def _order(self, wanted: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
        if wanted not in self._orders:
            nodes = self._schema.minimal_graph_schema(list(wanted)).nodes
            needs = {name: tuple(node.needs.values()) for name, node in nodes.items()}
            self._orders[wanted] = [
                (name, needs[name]) for name in TopologicalSorter(needs).static_order() if name in needs
            ]
        return self._orders[wanted]


def make_lean(agent: Agent) -> None:
    """Let a loaded agent run its model directly, and copy its slots, some ninety for each tracker, quickly."""
    agent.processor.graph_runner = DirectRunner(agent.processor.graph_runner)
    Slot.__copy__ = _copied


def _copied(slot: Slot) -> Slot:
    copy = object.__new__(type(slot))
    copy.__dict__.update(slot.__dict__)
    return copy
