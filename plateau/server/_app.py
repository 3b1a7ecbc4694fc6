"""The gateway: sessions, turns, limits and health over HTTP, with Rasa's agent inside."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from html import escape
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from plateau.content import Clinic, catalog, clinic, clinic_words
from plateau.escalation import clinic_rules, signed
from plateau.report import STYLE, figure, notice_html
from plateau.server._codes import BadCode, checked_key, clinic_patient
from plateau.server._component import PATH as COMPONENT_PATH
from plateau.server._component import Component
from plateau.server._handouts import STYLE_PATH, Handouts, NoPlan, Opened
from plateau.server._incoming import BadRequest, Beginning, read, read_beginning
from plateau.server._limits import BODY_BYTES, Rate
from plateau.server._logging import quiet
from plateau.server._net import SafetyNet
from plateau.server._origins import Origins
from plateau.server._sessions import BadToken, Sessions, kept_secret, new_conversation
from plateau.server._settings import Settings
from plateau.server._turns import NotSaved, Stale, Turns, project
from plateau.store import Database, StoreError

logger = logging.getLogger(__name__)

PURGE_SECONDS = 60
RECOVER_SECONDS = 2
# The pages' own folder; what stands in braces in a page is filled in.
PAGES = "pages"
PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
DAY = "public, max-age=86400"
# Pictures come as data: images, which run nothing.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
}


class TooMany(Exception):
    """An address asks for too many pages."""


Endpoint = Callable[[Request], Awaitable[Response]]


class PageFiles(StaticFiles):
    """What the pages need; the pages themselves are served filled in."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        return ("", None) if path.lower().endswith(".html") else super().lookup_path(path)


class Gateway:
    """The routes' handlers and what they share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clinic = clinic(settings.clinic)
        self.words = clinic_words()
        # Read now, so that a broken rule file stops the start and not a patient's plan.
        clinic_rules()
        self.component = Component(Path(settings.web), Path(settings.data))
        self.body = figure()
        self.headers = headers_for(self.clinic)
        self.database = Database(settings.database) if settings.database else Database.in_folder(settings.data)
        self.net = SafetyNet()
        self.turns = Turns(self.database, self.clinic, self.words, self.net)
        self.secret = settings.secret or kept_secret(Path(settings.data))
        self.sessions = Sessions(self.secret)
        self.clinic_key = checked_key(settings.clinic_key)
        self.handouts = Handouts(self.database, self.clinic, self.words, self.secret, signed())
        self.turn_rate = Rate(settings.turns_per_minute, burst=settings.turns_per_minute)
        self.page_rate = Rate(settings.turns_per_minute, burst=settings.turns_per_minute)
        self.session_rate = Rate(settings.sessions_per_minute, burst=settings.sessions_per_minute)
        self.problem: str | None = None

    def load(self) -> None:
        """Load the model and the listener: seconds, so not before the port is open."""
        from plateau.server._agent import load_agent

        self.database.upgrade()
        self.net.start()
        self.turns.start(*load_agent(Path(self.settings.model), self.database, project))

    async def begin(self, request: Request) -> Response:
        if not self.session_rate.allows(_address(request)):
            return _error(429, "too_many", "Too many new conversations from this address. Please wait a minute.")
        patient = await self._patient(read_beginning(await _body(request)))
        conversation = new_conversation()
        turn = await self.turns.begin(conversation, patient)
        made = {"token": self.sessions.issue(conversation), "expires_in": self.sessions.lifetime, "turn": turn}
        return JSONResponse(made, 201)

    async def turn(self, request: Request) -> Response:
        try:
            conversation = self._conversation(request)
        except BadToken:
            raise BadToken(await self._last_words(request)) from None
        try:
            message = read(await _body(request))
        except BadRequest as error:
            self.turns.refuse(conversation, error.words)
            raise
        if not self.turn_rate.allows(conversation):
            self.turns.refuse(conversation, message.words)
            return _error(429, "too_many", "Too many messages at once. Please wait a moment and send it again.")
        return JSONResponse(await self.turns.take(conversation, message))

    async def _last_words(self, request: Request) -> dict[str, Any] | None:
        """What is said to danger that is told in a conversation that has ended."""
        if not self.page_rate.allows(_address(request)):
            return None
        try:
            words = read(await _body(request)).words
        except BadRequest as error:
            words = error.words
        return self.turns.last_words(words)

    async def resume(self, request: Request) -> Response:
        last = await self.turns.last(self._conversation(request))
        if last is None:
            raise BadToken
        return JSONResponse(last)

    async def forget(self, request: Request) -> Response:
        # Whoever comes too late to go on can still delete.
        await self.turns.forget(self._conversation(request, even_old=True))
        return JSONResponse({"forgotten": True})

    async def handout(self, request: Request) -> Response:
        conversation = self._conversation(request)
        if not self.turn_rate.allows(conversation):
            return _error(429, "too_many", "Too many messages at once. Please wait a moment and send it again.")
        return JSONResponse(await self.handouts.make(conversation), 201)

    async def pictures(self, request: Request) -> Response:
        conversation = self._conversation(request)
        if not self.turn_rate.allows(conversation):
            return _error(429, "too_many", "Too many messages at once. Please wait a moment and send it again.")
        shown = await self.handouts.pictures(conversation)
        told = [
            {"id": one.id, "title": one.title, "says": one.says, "alt": one.alternative, "svg": one.svg}
            for one in shown
        ]
        return JSONResponse({"pictures": told})

    async def figure(self, request: Request) -> Response:
        return JSONResponse(self.body, headers={"Cache-Control": DAY})

    async def plan(self, request: Request) -> Response:
        link = request.path_params["link"]
        form = _form(request, "pdf", "calendar")
        opened = await self._opened("plan", request)
        if form == "pdf":
            return _file(await run_in_threadpool(self.handouts.plan_pdf, opened), "application/pdf", "plan.pdf")
        if form == "calendar":
            body = await run_in_threadpool(self.handouts.plan_calendar, opened)
            return _file(body, "text/calendar", "check-again.ics")
        return HTMLResponse(await run_in_threadpool(self.handouts.plan_page, opened, link))

    async def summary(self, request: Request) -> Response:
        link = request.path_params["link"]
        form = _form(request, "pdf", "fhir")
        opened = await self._opened("summary", request)
        if form == "pdf":
            return _file(await run_in_threadpool(self.handouts.summary_pdf, opened), "application/pdf", "summary.pdf")
        if form == "fhir":
            return JSONResponse(await run_in_threadpool(self.handouts.fhir, opened), media_type="application/fhir+json")
        return HTMLResponse(await run_in_threadpool(self.handouts.summary_page, opened, link))

    async def report_style(self, request: Request) -> Response:
        return Response(await run_in_threadpool(STYLE.read_text, "utf-8"), media_type="text/css")

    async def _opened(self, kind: str, request: Request) -> Opened:
        if not self.page_rate.allows(_address(request)):
            raise TooMany
        return await self.handouts.open(kind, request.path_params["link"])

    async def _patient(self, beginning: Beginning) -> str | None:
        if beginning.code is not None:
            return await self.handouts.patient(beginning.code)
        if beginning.patient is not None:
            return clinic_patient(beginning.patient, self.clinic_key, self.secret)
        return None

    async def page_words(self, request: Request) -> Response:
        numbers = {**self.clinic.numbers_for(None), "clinic": self.clinic.name, "phone": self.clinic.phone}
        every = {country: self.clinic.numbers_for(country) for country in self.words.tree("safety.numbers")}
        page = self.words.tree("page")
        safety = self.words.tree("safety.options")
        countries = self.words.tree("questions.country.options")
        return JSONResponse(
            {
                **page,
                "language": self.words.language,
                "exit_link": self.clinic.exit_link,
                "clinic": {"name": self.clinic.name, "phone": self.clinic.phone},
                "commands": {**page["commands"], **safety},
                "countries": countries,
                "here": numbers,
                "numbers": every,
            }
        )

    async def component_file(self, request: Request) -> Response:
        found = await run_in_threadpool(self.component.answer, request.path_params["file"], request.headers)
        if found is None:
            raise HTTPException(404)
        return found

    async def page(self, request: Request) -> Response:
        return await self._page("index.html")

    async def demo(self, request: Request) -> Response:
        return await self._page("demo.html")

    async def _page(self, name: str) -> Response:
        """Serve a page with its placeholders filled in; other braces are the page's own."""
        values = {
            "component": self.component.path,
            "integrity": self.component.integrity,
            "clinic_name": self.clinic.name,
            "clinic_phone": self.clinic.phone,
            "clinic_tel": re.sub(r"[^+\d]", "", self.clinic.phone),
            "language": self.words.language,
        }
        text = await run_in_threadpool((Path(self.settings.web) / PAGES / name).read_text, "utf-8")
        return HTMLResponse(PLACEHOLDER.sub(lambda found: escape(values.get(found[1], found[0])), text))

    async def health(self, request: Request) -> Response:
        return JSONResponse({"alive": True})

    async def ready(self, request: Request) -> Response:
        fit = await self.turns.ready()
        return JSONResponse({"ready": fit}, 200 if fit else 503)

    async def with_headers(self, request: Request, call_next: Endpoint) -> Response:
        response = await call_next(request)
        for name, value in self.headers.items():
            response.headers.setdefault(name, value)
        return response

    def _conversation(self, request: Request, *, even_old: bool = False) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise BadToken
        return self.sessions.conversation(token.strip(), even_old=even_old)


def create_app(settings: Settings) -> Starlette:
    """Return the gateway as an ASGI app; raises SettingError, RuleError or StoreError when it could not serve."""
    quiet()
    gateway = Gateway(settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.gateway = gateway
        loading = asyncio.create_task(_load(gateway))
        purging = asyncio.create_task(_again_and_again(PURGE_SECONDS, gateway.turns.purge))
        recovering = asyncio.create_task(_again_and_again(RECOVER_SECONDS, gateway.turns.recover))
        yield
        for task in (loading, purging, recovering):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        gateway.database.close()

    routes = [
        Route("/api/session", gateway.begin, methods=["POST"]),
        Route("/api/turn", gateway.turn, methods=["POST"]),
        Route("/api/resume", gateway.resume),
        Route("/api/forget", gateway.forget, methods=["POST"]),
        Route("/api/handout", gateway.handout, methods=["POST"]),
        Route("/api/pictures", gateway.pictures),
        Route("/api/figure", gateway.figure),
        Route("/api/words", gateway.page_words),
        Route("/plan/{link}", gateway.plan),
        Route("/plan/{link}/{form:str}", gateway.plan),
        Route("/summary/{link}", gateway.summary),
        Route("/summary/{link}/{form:str}", gateway.summary),
        Route(STYLE_PATH, gateway.report_style),
        Route(f"{COMPONENT_PATH}/{{file}}", gateway.component_file),
        Route("/", gateway.page),
        Route("/demo", gateway.demo),
        Route("/health", gateway.health),
        Route("/ready", gateway.ready),
        Mount("/", PageFiles(directory=Path(settings.web) / PAGES)),
    ]
    handlers: dict[Any, Any] = {
        BadRequest: _bad_request,
        BadToken: _bad_token,
        BadCode: _bad_code,
        NoPlan: _no_plan,
        TooMany: _too_many,
        Stale: _stale,
        NotSaved: _not_saved,
        StoreError: _store_error,
    }
    middleware = [
        Middleware(BaseHTTPMiddleware, dispatch=gateway.with_headers),
        Middleware(Origins, allowed=gateway.clinic.origins, refuse=_bad_origin),
        # Within the one before, so that a page of the clinic's can read that something went wrong.
        Middleware(BaseHTTPMiddleware, dispatch=_caught),
    ]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers, middleware=middleware)


async def _load(gateway: Gateway) -> None:
    try:
        await run_in_threadpool(gateway.load)
        logger.info("ready")
    except Exception as error:
        # The process stays up: /ready says no, and the safety net still answers.
        gateway.problem = str(error)
        logger.critical("cannot serve: %s", error)


async def _again_and_again(seconds: float, work: Callable[[], Awaitable[int]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except StoreError as error:
            logger.error("could not %s: %s", work.__name__, error)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES:
            raise BadRequest("too_large", f"The request is too large; allowed: {BODY_BYTES} bytes.")
    return body


def headers_for(here: Clinic) -> dict[str, str]:
    """Return the headers of every response; only Plateau's pages and the clinic's may hold one in a frame."""
    return {"Content-Security-Policy": " ".join([POLICY, "'self'", *here.origins]), **HEADERS}


async def _caught(request: Request, call_next: Endpoint) -> Response:
    try:
        return await call_next(request)
    except Exception as error:
        # Left to the server, its text, which may quote the patient, would be in the log.
        logger.error("unexpected: %s", type(error).__name__)
        return _error(500, "unexpected", catalog().get("safety.net.unavailable", **clinic().numbers_for(None)))


def _form(request: Request, *known: str) -> str | None:
    """Return in which form a page is asked for, None being HTML; raises NoPlan for a form that it does not have."""
    form: str | None = request.path_params.get("form")
    if form is not None and form not in known:
        raise NoPlan
    return form


def _file(body: bytes, kind: str, name: str) -> Response:
    return Response(body, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _error(status: int, code: str, message: str, **more: Any) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}, **more}, status)


async def _bad_request(request: Request, error: Exception) -> Response:
    status = 413 if isinstance(error, BadRequest) and error.code == "too_large" else 400
    return _error(status, getattr(error, "code", "bad_request"), str(error))


async def _bad_origin(request: Request) -> Response:
    origin = request.headers.get("origin", "")
    wrong = f"Pages of {origin!r:.200} may not post here; allowed: this server's own and the clinic's origins."
    return _error(403, "bad_origin", wrong)


async def _bad_token(request: Request, error: Exception) -> Response:
    turn = error.turn if isinstance(error, BadToken) else None
    more = {"turn": turn} if turn else {}
    return _error(401, "bad_token", "This conversation has ended or is not yours. Please start again.", **more)


async def _bad_code(request: Request, error: Exception) -> Response:
    return _error(404, "bad_code", "This code is not known or has ended. Check it, or start without it.")


async def _no_plan(request: Request, error: Exception) -> Response:
    if request.url.path.startswith("/api/"):
        return _error(404, "no_plan", "There is no plan yet.")
    return HTMLResponse(notice_html("gone", clinic_words(), STYLE_PATH), 404)


async def _too_many(request: Request, error: Exception) -> Response:
    return HTMLResponse(notice_html("busy", clinic_words(), STYLE_PATH), 429)


async def _not_saved(request: Request, error: Exception) -> Response:
    reply = error.reply if isinstance(error, NotSaved) else {}
    return _error(503, "not_saved", reply["messages"][-1]["text"], turn=reply)


async def _stale(request: Request, error: Exception) -> Response:
    turn = error.turn if isinstance(error, Stale) else {}
    message = "This conversation has gone on since. Please go on from its latest question."
    return _error(409, "stale", message, turn=turn)


async def _store_error(request: Request, error: Exception) -> Response:
    logger.error("the database failed: %s", type(error).__name__)
    return _error(503, "unavailable", catalog().get("safety.net.unavailable", **clinic().numbers_for(None)))
