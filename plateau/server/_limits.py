"""How much one caller may send: a token bucket for each key, refilled steadily."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

BODY_BYTES = 16 * 1024
TEXT_CHARACTERS = 2000
KEYS = 10_000


class Rate:
    """At most `burst` calls at once and `per_minute` on average for each key.

    The `limits` library needs a `packaging` that Rasa cannot run with, hence these few lines.
    """

    def __init__(self, per_minute: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._refill, self._burst, self._clock = per_minute / 60, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, key: str) -> bool:
        """Take one call from the key's bucket; False when it is empty."""
        now = self._clock()
        level, seen = self._buckets.pop(key, (float(self._burst), now))
        level = min(self._burst, level + (now - seen) * self._refill)
        allowed = level >= 1
        self._buckets[key] = (level - 1 if allowed else level, now)
        if len(self._buckets) > KEYS:
            self._buckets.popitem(last=False)
        return allowed
