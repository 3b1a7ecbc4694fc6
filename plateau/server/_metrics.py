"""What a clinic's monitoring reads: counts and times of this process, in OpenMetrics. No label comes from a patient."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from plateau.protocol import SAFETY_TEXTS
from plateau.server._ready import REASONS

OUTCOMES = ("saved", "replayed", "stale", "refused", "not_saved", "shed")
LIMITS = ("turns", "sessions", "pages", "codes")
ERRORS = ("conflict", "failed")
# Seconds. The targets are in the middle: 0.3 at p95 with a thousand patients; 20 is where a turn is given up.
BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
PREFIX = "plateau"
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The metrics of one worker; each worker has its own, and the monitoring adds them up."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._turns = self._counter("turns", "Messages of patients, by what became of them", ["outcome"])
        self.turn_seconds = Histogram(
            "turn_seconds",
            "From a message checked to its reply saved",
            namespace=PREFIX,
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.turns_in_progress = self._gauge("turns_in_progress", "Turns being worked on or waiting")
        self.conflicts = self._counter("turns_rerun", "Turns computed again, for another worker had saved one first")
        self.recovered = self._counter("turns_recovered", "Turns that a dead worker had begun, finished by this one")
        self._spoken = self._counter("safety_texts", "Safety texts said, by the text's name in safety.yml", ["text"])
        self.net_alone = self._counter("safety_net_alone", "Answers to danger that the safety net gave alone")
        self._errors = self._counter("database_errors", "Failed database work; conflicts are harmless", ["kind"])
        self._arrivals = self._counter(
            "arrivals", "Messages of messengers, by what became of them", ["channel", "outcome"]
        )
        self._letters = self._counter(
            "letters", "Letters of the outbox, by what became of a try", ["target", "outcome"]
        )
        self.sessions = self._counter("sessions", "Conversations begun")
        self._limited = self._counter("rate_limited", "Requests refused, by the limit they met", ["limit"])
        self.purged = self._counter("purged_conversations", "Conversations deleted because their time was over")
        self.purge_time = self._gauge("last_purge_timestamp_seconds", "When the last deletion run ended well")
        self._ready = self._gauge("ready", "1 when this worker can take a message")
        self._not_ready = self._gauge("not_ready", "1 for the reason why it cannot", ["because"])
        self.signed = self._gauge("signed", "1 when a clinician has signed the rules and texts that run")
        self._requests = self._counter("requests", "HTTP requests", ["route", "method", "status"])
        self._build = Info("build", "What runs", namespace=PREFIX, registry=self.registry)
        ProcessCollector(registry=self.registry)
        # Told from the start, so that an alert can tell "never" from "not asked".
        for outcome in OUTCOMES:
            self._turns.labels(outcome)
        for text in SAFETY_TEXTS:
            self._spoken.labels(text)
        for limit in LIMITS:
            self._limited.labels(limit)
        for kind in ERRORS:
            self._errors.labels(kind)
        self.ready("loading")

    def turn(self, outcome: str) -> None:
        """Count one message of a patient; `outcome` is one of OUTCOMES."""
        self._turns.labels(outcome).inc()

    def spoken(self, messages: Iterable[Mapping[str, Any]]) -> bool:
        """Count the safety texts among a reply's messages; tell whether there were any."""
        texts = {str(message.get("id")).removeprefix("safety.") for message in messages} & set(SAFETY_TEXTS)
        for text in texts:
            self._spoken.labels(text).inc()
        return bool(texts)

    def arrived(self, channel: str, outcome: str) -> None:
        """Count one message or request of a messenger."""
        self._arrivals.labels(channel, outcome).inc()

    def letter(self, target: str, outcome: str) -> None:
        """Count one try to send a letter: sent, failed (to be tried again) or given_up."""
        self._letters.labels(target, outcome).inc()

    def limited(self, limit: str) -> None:
        """Count one request over a limit; `limit` is one of LIMITS."""
        self._limited.labels(limit).inc()

    def database_error(self, conflict: bool) -> None:
        """Count one failure of the database; called from any thread."""
        self._errors.labels("conflict" if conflict else "failed").inc()

    def request(self, route: str, method: str, status: int) -> None:
        """Count one request by the template of its route and one of a few methods."""
        self._requests.labels(route, method, str(status)).inc()

    def ready(self, reason: str | None) -> None:
        """Tell whether this worker is ready, and if not, which of REASONS speaks against it."""
        self._ready.set(reason is None)
        for each in REASONS:
            self._not_ready.labels(each).set(each == reason)

    def build(self, version: str, rules: str, model: Path) -> None:
        """Tell what runs: the program's version, the rules' version, the first half of the model's SHA-256."""
        self._build.info({"version": version, "rules": rules, "model": _digest(model)})

    def text(self) -> bytes:
        """Return all of it as OpenMetrics text."""
        told: bytes = generate_latest(self.registry)  # type: ignore[no-untyped-call]
        return told

    def _counter(self, name: str, says: str, labels: Iterable[str] = ()) -> Counter:
        return Counter(name, says, list(labels), namespace=PREFIX, registry=self.registry)

    def _gauge(self, name: str, says: str, labels: Iterable[str] = ()) -> Gauge:
        return Gauge(name, says, list(labels), namespace=PREFIX, registry=self.registry)


def may_read(authorization: str | None, token: str | None) -> bool:
    """Tell whether a request's Authorization header has the metrics' token; without one nobody may."""
    scheme, _, given = (authorization or "").partition(" ")
    if token is None or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.strip().encode(), token.encode())


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()[:32]
    except OSError:
        return "none"
