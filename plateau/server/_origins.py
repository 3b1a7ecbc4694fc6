"""Which web pages may talk to the gateway: its own, and those of the clinic's sites."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

API = "/api/"
PREFLIGHT_SECONDS = 600
# A browser leaves these out of an origin; a proxy may have put them into the Host header.
_DEFAULT_PORTS = {"https": ":443", "http": ":80"}


class Origins:
    """Lets the pages of `allowed` origins read the API, and refuses what any other page posts to it, unread."""

    def __init__(self, app: ASGIApp, allowed: Sequence[str], refuse: Callable[[Request], Awaitable[Response]]) -> None:
        self._app, self._allowed, self._refuse = app, allowed, refuse
        self._shared = CORSMiddleware(
            self._guarded,
            allow_origins=allowed,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization", "Content-Type"),
            max_age=PREFLIGHT_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        api = scope["type"] == "http" and scope["path"].startswith(API)
        await (self._shared if api else self._app)(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        app = self._app
        if scope["method"] == "POST" and not may_post(headers.get("origin"), headers.get("host"), self._allowed):
            app = await self._refuse(Request(scope))
        await app(scope, receive, send)


def may_post(origin: str | None, host: str | None, allowed: Sequence[str]) -> bool:
    """Tell whether a page of `origin` may post here; None is no page at all but a program, which may."""
    if origin is None or origin in allowed:
        return True
    # Behind a proxy that ends TLS the scheme differs, so only host and port count.
    scheme, _, place = origin.lower().partition("://")
    own = (host or "").lower().removesuffix(_DEFAULT_PORTS.get(scheme, ""))
    return scheme in _DEFAULT_PORTS and bool(place) and place == own
