"""How much one caller may send, a token bucket for each key, refilled steadily; and how much all may at once."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BODY_BYTES = 16 * 1024
TEXT_CHARACTERS = 2000
KEYS = 10_000
# A request is small: whose takes longer to arrive holds a place for nothing.
BODY_SECONDS = 15.0
# After so many seconds a client that was turned away may ask again.
RETRY_SECONDS = 2
# Of an IPv6 address: a household has all the addresses that begin so.
IPV6_PREFIX = 64


class Rate:
    """At most `burst` calls at once and `per_minute` on average for each key.

    The `limits` library needs a `packaging` that Rasa cannot run with, hence these few lines.
    """

    def __init__(self, per_minute: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._refill, self._burst, self._clock = per_minute / 60, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def left(self, key: str) -> float:
        """Return how many calls the key's bucket holds now; takes none."""
        level, seen = self._buckets.get(key, (float(self._burst), 0.0))
        return min(self._burst, level + (self._clock() - seen) * self._refill)

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


class Crowd:
    """At most `most` inside at once; who waits longer than that many turns take had better be told to come again."""

    def __init__(self, most: int) -> None:
        self._most, self.inside = most, 0

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Hold a place within the block; False: there was none."""
        if self.inside >= self._most:
            yield False
            return
        self.inside += 1
        try:
            yield True
        finally:
            self.inside -= 1


def household(address: str) -> str:
    """Return what counts as one caller: an IPv4 address, or the network of an IPv6 address; other names as they are."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))
