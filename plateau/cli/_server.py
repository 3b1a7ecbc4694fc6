"""The HTTP server around the gateway: what it bounds, and how it stops."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from plateau.server._limits import BODY_SECONDS

logger = logging.getLogger(__name__)

# Seconds. A turn is given up after 20; the reply needs a little to go out.
FINISH_SECONDS = 25
# What then still runs, such as a write that a database does not answer, is cut off, as a kill would: nothing
# acknowledged is lost.
CUT_SECONDS = 10
# Longer than a proxy keeps an idle connection (nginx: 60), so that it is never the server that closes first.
IDLE_SECONDS = 75
# For the head of a request; a proxy sends it at once.
HEAD_SECONDS = 15
# For its body: somewhat longer than the gateway waits for one, so that it can say so first.
BODY_CUT_SECONDS = BODY_SECONDS + 3
HEAD_BYTES = 32 * 1024
BACKLOG = 1024
FILES = 16_384
# Kept free for the database, the model and the log.
SPARE_FILES = 128


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 that bounds what httptools does not: a head's size, and the time until head and body are there."""

    _head = 0
    _in_head = True
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._within(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head += len(data)
            # A small request may come whole, with its body, so the body counts as well.
            if self._head > HEAD_BYTES:
                self.transport.close()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._in_head = True
        self._within(HEAD_SECONDS)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._head = False, 0
        # Also where nobody reads the body: what is never ended would hold the connection for ever.
        self._within(BODY_CUT_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._in_time()
        super().on_message_complete()

    def _within(self, seconds: float) -> None:
        """Close the connection unless what is awaited is there by then."""
        self._in_time()
        self._timer = self.loop.call_later(seconds, self.transport.close)

    def _in_time(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Server(uvicorn.Server):
    """Stops when told to: at once not ready any more, then no new connections, then what is under way is finished.

    `drain()` is called at the first signal; after SIGTERM connections are taken for `drain_seconds` more, for a
    balancer to notice. Ends with code 0; a second signal, or work that never ends, cuts it short.
    """

    def __init__(self, config: uvicorn.Config, drain: Callable[[], None], drain_seconds: float) -> None:
        super().__init__(config)
        self._drain, self._drain_seconds = drain, drain_seconds
        self._stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop. The signal is not raised again after, as uvicorn would: stopping when told is success."""
        if self._stop_at is not None:
            self.should_exit = True
            self.force_exit = sig == signal.SIGINT
            return
        wait = self._drain_seconds if sig == signal.SIGTERM else 0.0
        self._stop_at = time.monotonic() + wait
        self._drain()
        watchdog = threading.Timer(wait + FINISH_SECONDS + CUT_SECONDS, _cut_off)
        watchdog.daemon = True
        watchdog.start()

    async def on_tick(self, counter: int) -> bool:
        """Tell uvicorn, ten times a second, whether to stop."""
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self.should_exit = True
        return await super().on_tick(counter)


def server(app: Any, host: str, port: int, proxies: Sequence[str], drain_seconds: float) -> Server:
    """Return the server for `app`; what a proxy says of a client is believed of `proxies` only."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Protocol,
        # No websockets here, and Rasa's old `websockets` is none that uvicorn can load.
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        backlog=BACKLOG,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
        # Its answer hears no danger, so it comes only when there are no more files to open; `turns_at_once` is before.
        limit_concurrency=_more_files() - SPARE_FILES,
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    return Server(config, app.state.gateway.drain, drain_seconds)


def _more_files() -> int:
    """Raise the number of files, and so of connections, that this process may open; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return FILES if soft == resource.RLIM_INFINITY else max(soft, 2 * SPARE_FILES)


def _cut_off() -> None:
    logger.critical("could not stop in time; cut off")
    os._exit(1)
