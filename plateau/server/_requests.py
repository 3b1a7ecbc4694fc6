"""Around every request: its id, the headers of every response, its line in the log and its place in the metrics."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plateau.server._logging import REQUESTS, Trace, trace
from plateau.server._metrics import Metrics

logger = logging.getLogger(__name__)
requests = logging.getLogger(REQUESTS)

ID_HEADER = "X-Request-ID"
# Digits of numbers and UUIDs, as proxies make them: no room for words.
_ID = re.compile(r"[0-9a-fA-F-]{16,64}")
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE")
# Asked for all day long by machines; the metrics count them.
UNLOGGED = ("/health", "/ready", "/metrics")
SECURE = {"Strict-Transport-Security": "max-age=31536000"}


class Requests:
    """Gives each request an id, and each response the headers that it has not set itself."""

    def __init__(self, app: ASGIApp, headers: dict[str, str], metrics: Metrics) -> None:
        self._app, self._headers, self._metrics = app, headers, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500
        given = Headers(scope=scope).get(ID_HEADER, "")
        here = Trace(given if _ID.fullmatch(given) else uuid.uuid4().hex)

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[ID_HEADER] = here.request
                # The scheme is the browser's: told by a proxy, where one is trusted.
                for name, value in (self._headers | SECURE if scope["scheme"] == "https" else self._headers).items():
                    headers.setdefault(name, value)
            await send(message)

        token = trace.set(here)
        try:
            await self._app(scope, receive, sending)
        finally:
            route = template(scope)
            # A method can be any word; a client could say anything with it.
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.request(route, method, status)
            if route not in UNLOGGED:
                fields = {
                    "method": method,
                    "route": route,
                    "status": status,
                    "milliseconds": round((time.perf_counter() - started) * 1000, 1),
                }
                requests.info("request", extra=fields)
            trace.reset(token)


class Caught:
    """Answers what nothing else has caught; the server would log its text, which may quote the patient."""

    def __init__(self, app: ASGIApp, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self._app, self._answer = app, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            if scope["type"] != "http":
                raise
            logger.error("unexpected: %s", type(error).__name__)
            if not begun:
                await (await self._answer(Request(scope)))(scope, receive, send)


def template(scope: Scope) -> str:
    """Return the route's template, in which a link's secret is `{link}`; never the path itself."""
    path = getattr(scope.get("route"), "path", None)
    return "other" if path is None else str(path) or "/files"
