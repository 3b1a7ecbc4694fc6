"""The gateway: sessions, turns, limits and health over HTTP, with Rasa's agent inside."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from html import escape
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from plateau.content import catalog, clinic
from plateau.escalation import default_rules
from plateau.server._incoming import BadRequest, read
from plateau.server._limits import BODY_BYTES, Rate
from plateau.server._logging import quiet
from plateau.server._net import SafetyNet
from plateau.server._sessions import BadToken, Sessions, kept_secret, new_conversation
from plateau.server._settings import Settings
from plateau.server._turns import NotSaved, Turns, project
from plateau.store import Database, StoreError

logger = logging.getLogger(__name__)

PURGE_SECONDS = 60
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Endpoint = Callable[[Request], Awaitable[Response]]


class Gateway:
    """The routes' handlers and what they share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clinic = clinic(settings.clinic)
        self.words = catalog()
        # Read now, so that a broken rule file stops the start and not a patient's plan.
        default_rules()
        self.database = Database(settings.database) if settings.database else Database.in_folder(settings.data)
        self.net = SafetyNet()
        self.turns = Turns(self.database, self.clinic, self.words, self.net)
        self.sessions = Sessions(settings.secret or kept_secret(Path(settings.data)))
        self.turn_rate = Rate(settings.turns_per_minute, burst=settings.turns_per_minute)
        self.session_rate = Rate(settings.sessions_per_minute, burst=settings.sessions_per_minute)
        self.problem: str | None = None

    def load(self) -> None:
        """Load the model and the listener: seconds, so not before the port is open."""
        from plateau.server._agent import load_agent

        self.database.upgrade()
        self.net.start()
        self.turns.start(*load_agent(Path(self.settings.model), self.database, project))

    async def begin(self, request: Request) -> Response:
        if not self.session_rate.allows(request.client.host if request.client else ""):
            return _error(429, "too_many", "Too many new conversations from this address. Please wait a minute.")
        conversation = new_conversation()
        turn = await self.turns.begin(conversation)
        made = {"token": self.sessions.issue(conversation), "expires_in": self.sessions.lifetime, "turn": turn}
        return JSONResponse(made, 201)

    async def turn(self, request: Request) -> Response:
        conversation = self._conversation(request)
        try:
            message = read(await _body(request))
        except BadRequest as error:
            self.turns.refuse(conversation, error.words)
            raise
        if not self.turn_rate.allows(conversation):
            self.turns.refuse(conversation, message.words)
            return _error(429, "too_many", "Too many messages at once. Please wait a moment and send it again.")
        return JSONResponse(await self.turns.take(conversation, message))

    async def resume(self, request: Request) -> Response:
        last = await self.turns.last(self._conversation(request))
        if last is None:
            raise BadToken
        return JSONResponse(last)

    async def forget(self, request: Request) -> Response:
        await self.turns.forget(self._conversation(request))
        return JSONResponse({"forgotten": True})

    async def page_words(self, request: Request) -> Response:
        numbers = {**self.clinic.numbers_for(None), "clinic": self.clinic.name, "phone": self.clinic.phone}
        every = {country: self.clinic.numbers_for(country) for country in self.words.tree("safety.numbers")}
        page = self.words.tree("page")
        safety = self.words.tree("safety.options")
        countries = self.words.tree("questions.country.options")
        return JSONResponse(
            {
                **page,
                "clinic": {"name": self.clinic.name, "phone": self.clinic.phone},
                "commands": {**page["commands"], **safety},
                "countries": countries,
                "here": numbers,
                "numbers": every,
            }
        )

    async def page(self, request: Request) -> Response:
        """Serve the page with the clinic's phone in its noscript part, for browsers that run no script."""
        text = await run_in_threadpool((Path(self.settings.web) / "index.html").read_text, "utf-8")
        return HTMLResponse(text.replace("{clinic_phone}", escape(self.clinic.phone)))

    async def health(self, request: Request) -> Response:
        return JSONResponse({"alive": True})

    async def ready(self, request: Request) -> Response:
        fit = await self.turns.ready()
        return JSONResponse({"ready": fit}, 200 if fit else 503)

    def _conversation(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise BadToken
        return self.sessions.conversation(token.strip())


def create_app(settings: Settings) -> Starlette:
    """Return the gateway as an ASGI app; raises SettingError, RuleError or StoreError when it could not serve."""
    quiet()
    gateway = Gateway(settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.gateway = gateway
        loading = asyncio.create_task(_load(gateway))
        purging = asyncio.create_task(_purge(gateway.turns))
        yield
        for task in (loading, purging):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        gateway.database.close()

    routes = [
        Route("/api/session", gateway.begin, methods=["POST"]),
        Route("/api/turn", gateway.turn, methods=["POST"]),
        Route("/api/resume", gateway.resume),
        Route("/api/forget", gateway.forget, methods=["POST"]),
        Route("/api/words", gateway.page_words),
        Route("/", gateway.page),
        Route("/health", gateway.health),
        Route("/ready", gateway.ready),
        Mount("/", StaticFiles(directory=settings.web, html=True)),
    ]
    handlers: dict[Any, Any] = {
        BadRequest: _bad_request,
        BadToken: _bad_token,
        NotSaved: _not_saved,
        StoreError: _store_error,
    }
    headers = Middleware(BaseHTTPMiddleware, _headers)
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers, middleware=[headers])


async def _load(gateway: Gateway) -> None:
    try:
        await run_in_threadpool(gateway.load)
        logger.info("ready")
    except Exception as error:
        # The process stays up: /ready says no, and the safety net still answers.
        gateway.problem = str(error)
        logger.critical("cannot serve: %s", error)


async def _purge(turns: Turns) -> None:
    while True:
        await asyncio.sleep(PURGE_SECONDS)
        try:
            await turns.purge()
        except StoreError as error:
            logger.error("could not purge: %s", error)


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES:
            raise BadRequest("too_large", f"The request is too large; allowed: {BODY_BYTES} bytes.")
    return body


async def _headers(request: Request, call_next: Endpoint) -> Response:
    try:
        response = await call_next(request)
    except Exception as error:
        # Left to the server, its text, which may quote the patient, would be in the log.
        logger.error("unexpected: %s", type(error).__name__)
        response = _error(500, "unexpected", catalog().get("safety.net.unavailable", **clinic().numbers_for(None)))
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _error(status: int, code: str, message: str, **more: Any) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}, **more}, status)


async def _bad_request(request: Request, error: Exception) -> Response:
    status = 413 if isinstance(error, BadRequest) and error.code == "too_large" else 400
    return _error(status, getattr(error, "code", "bad_request"), str(error))


async def _bad_token(request: Request, error: Exception) -> Response:
    return _error(401, "bad_token", "This conversation has ended or is not yours. Please start again.")


async def _not_saved(request: Request, error: Exception) -> Response:
    reply = error.reply if isinstance(error, NotSaved) else {}
    return _error(503, "not_saved", reply["messages"][-1]["text"], turn=reply)


async def _store_error(request: Request, error: Exception) -> Response:
    logger.error("the database failed: %s", type(error).__name__)
    return _error(503, "unavailable", catalog().get("safety.net.unavailable", **clinic().numbers_for(None)))
