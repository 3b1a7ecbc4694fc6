"""The gateway: sessions, turns, limits and health over HTTP, with Rasa's agent inside."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from html import escape
from itertools import chain, repeat
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from plateau import __version__
from plateau.content import Clinic, catalog, clinic, clinic_words
from plateau.escalation import clinic_rules, signed
from plateau.report import STYLE, figure, notice_html
from plateau.server._codes import BadCode, Guesses, checked_key, clinic_patient
from plateau.server._component import PATH as COMPONENT_PATH
from plateau.server._component import Component
from plateau.server._courier import Courier
from plateau.server._doors import Doors
from plateau.server._handouts import STYLE_PATH, Handouts, NoPlan, Opened
from plateau.server._incoming import BadRequest, Beginning, read, read_beginning, read_body
from plateau.server._invites import PREFIX as INVITATION
from plateau.server._invites import Invites
from plateau.server._limits import RETRY_SECONDS, Crowd, Rate, household
from plateau.server._logging import pseudonym, quiet, trace
from plateau.server._metrics import CONTENT_TYPE, Metrics, may_read
from plateau.server._net import SafetyNet
from plateau.server._origins import Origins
from plateau.server._ready import Readiness
from plateau.server._requests import Caught, Requests
from plateau.server._sessions import BadToken, Sessions, checked_secret, kept_secret, new_conversation
from plateau.server._settings import Settings
from plateau.server._staff import PATH as STAFF_PATH
from plateau.server._staff import BadStaffLink, StaffLinks, StaffPages
from plateau.server._turns import NotSaved, Stale, Turns, project
from plateau.server.platforms import platforms
from plateau.server.staff import senders
from plateau.store import Conflict, Database, StoreError

logger = logging.getLogger(__name__)

TURN = "/api/turn"
PURGE_SECONDS = 60
RECOVER_SECONDS = 2
DELIVER_SECONDS = 2
# How long until the database is tried again when it was not there at the start; the last one goes on.
CONNECT_AGAIN = (1, 2, 5, 10)
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
    # A window that another site's page opened gets no hold on ours, and no other site may use our files unasked;
    # the component, which any page may load, says so itself.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), "
        "microphone=(), midi=(), payment=(), usb=()"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
}


class TooMany(Exception):
    """An address asks for too many pages."""


Answer = Callable[[Request, Exception], Awaitable[Response]]


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
        self.metrics = Metrics()
        self.metrics.signed.set(signed() is not None)
        self.database.on_error = lambda error: self.metrics.database_error(isinstance(error, Conflict))
        self.readiness = Readiness(self.database, settings.ready_seconds)
        self.net = SafetyNet()
        self.turns = Turns(self.database, self.clinic, self.words, self.net, self.metrics)
        self.secret = checked_secret(settings.secret) or kept_secret(Path(settings.data))
        self.sessions = Sessions(self.secret)
        self.clinic_key = checked_key(settings.clinic_key)
        self.handouts = Handouts(self.database, self.clinic, self.words, self.secret, signed())
        self.invites = Invites(self.secret, self.clinic)
        self.staff_links = StaffLinks(self.secret, self.clinic)
        self.staff_pages = StaffPages(
            self.database, self.clinic, self.words, self.handouts, self.turns, self.staff_links
        )
        self.platforms, self.senders = platforms(self.clinic, settings), senders(self.clinic, settings)
        self.courier = Courier(
            self.database,
            self.clinic,
            self.words,
            self.platforms,
            self.senders,
            self.handouts,
            self.staff_links,
            self.metrics,
        )
        self.turn_rate = Rate(settings.turns_per_minute, burst=settings.turns_per_minute)
        self.page_rate = Rate(settings.turns_per_minute, burst=settings.turns_per_minute)
        self.session_rate = Rate(settings.sessions_per_minute, burst=settings.sessions_per_minute)
        self.doors = Doors(
            self.database,
            self.clinic,
            self.words,
            self.platforms,
            self.turns,
            self.courier,
            self.net,
            self.secret,
            self.metrics,
            self.turn_rate,
        )
        self.crowd = Crowd(settings.turns_at_once)
        self.metrics.turns_in_progress.set_function(lambda: self.crowd.inside)
        self.guesses = Guesses()
        self.problem: str | None = None

    def load(self) -> Any:
        """Load the model and the listener: seconds, so not before the port is open; returns agent and store."""
        from plateau.server._agent import ear_is_sealed, load_agent

        model = Path(self.settings.model)
        self.metrics.build(__version__, str(clinic_rules().version), model)
        if ear_is_sealed(model):
            self.net.start()
        return load_agent(model, self.database, project)

    def start(self, agent: Any, store: Any) -> None:
        """Bring the database's schema up to date and take turns from now on; raises StoreError, then try again."""
        # Last, for workers of an older release stop when the schema changes.
        self.database.upgrade()
        self.turns.start(agent, store)
        self.readiness.loaded(agent)

    def drain(self) -> None:
        """Be ready no more, for the process is going to stop; what still comes is answered."""
        self.readiness.drain()
        logger.info("draining")

    async def begin(self, request: Request) -> Response:
        if not self.session_rate.allows(_address(request)):
            self.metrics.limited("sessions")
            return _later(429, "too_many", "Too many new conversations from this address. Please wait a minute.")
        beginning = read_beginning(await read_body(request))
        if beginning.code is not None and not self.guesses.may(_address(request)):
            self.metrics.limited("codes")
            return _later(429, "too_many", "Too many wrong codes. Please try again later, or start without a code.")
        with self.crowd.place() as free:
            if not free:
                return self._shed()
            try:
                conversation, patient = await self._beginning(beginning)
            except BadCode:
                self.guesses.missed(_address(request))
                raise
            # An invitation that is opened again goes on where it was.
            turn = await self.turns.last(conversation) if beginning.patient is not None else None
            turn = turn or await self.turns.begin(conversation, patient)
        self.metrics.sessions.inc()
        made = {"token": self.sessions.issue(conversation), "expires_in": self.sessions.lifetime, "turn": turn}
        return JSONResponse(made, 201)

    async def turn(self, request: Request) -> Response:
        try:
            conversation = self._conversation(request)
        except BadToken:
            raise BadToken(await self._last_words(request)) from None
        try:
            message = read(await read_body(request))
        except BadRequest as error:
            self.turns.refuse(conversation, error.words)
            raise
        if not self._may_go_on(conversation):
            self.turns.refuse(conversation, message.words)
            return _too_fast()
        with self.crowd.place() as free:
            if not free:
                # Who tells of danger is told whom to call, however many others there are.
                self.turns.refuse(conversation, message.words)
                return self._shed()
            with self.metrics.turn_seconds.time():
                turn = await self.turns.take(conversation, message)
        self.metrics.spoken(turn["messages"])
        return JSONResponse(turn)

    def _may_go_on(self, conversation: str) -> bool:
        if self.turn_rate.allows(conversation):
            return True
        self.metrics.limited("turns")
        return False

    def _shed(self) -> Response:
        self.metrics.turn("shed")
        return _later(503, "busy", catalog().get("safety.net.unavailable", **self.clinic.numbers_for(None)))

    async def _last_words(self, request: Request) -> dict[str, Any] | None:
        """What is said to danger that is told in a conversation that has ended."""
        if not self.page_rate.allows(_address(request)):
            self.metrics.limited("pages")
            return None
        try:
            words = read(await read_body(request)).words
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
        if not self._may_go_on(conversation):
            return _too_fast()
        return JSONResponse(await self.handouts.make(conversation), 201)

    async def pictures(self, request: Request) -> Response:
        conversation = self._conversation(request)
        if not self._may_go_on(conversation):
            return _too_fast()
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
            self.metrics.limited("pages")
            raise TooMany
        return await self.handouts.open(kind, request.path_params["link"])

    async def _beginning(self, beginning: Beginning) -> tuple[str, str | None]:
        """Return in which conversation somebody begins, and who they are; raises BadCode."""
        if beginning.code is not None:
            return new_conversation(), await self.handouts.patient(beginning.code)
        if beginning.patient is None:
            return new_conversation(), None
        if beginning.patient.startswith(INVITATION):
            invited = self.invites.read(beginning.patient)
            return invited.conversation, invited.patient
        return new_conversation(), clinic_patient(beginning.patient, self.clinic_key, self.secret)

    async def staff(self, request: Request) -> Response:
        """The staff's list of what has come in."""
        return _staff_page(await self.staff_pages.list(self._staff_token(request)))

    async def staff_one(self, request: Request) -> Response:
        """One of it, with what was written."""
        sent = request.query_params.get("sent") == "yes"
        return _staff_page(
            await self.staff_pages.one(self._staff_token(request), request.path_params["notice"], sent=sent)
        )

    async def staff_summary(self, request: Request) -> Response:
        """The therapist's page of the re-evaluation it is about."""
        return HTMLResponse(await self.staff_pages.summary(self._staff_token(request), request.path_params["notice"]))

    async def staff_pdf(self, request: Request) -> Response:
        """The same as PDF."""
        made = await self.staff_pages.pdf(self._staff_token(request), request.path_params["notice"])
        return _file(made, "application/pdf", "summary.pdf")

    async def staff_reply(self, request: Request) -> Response:
        """What a member of the staff writes to the patient."""
        token, notice = self._staff_token(request), request.path_params["notice"]
        fields = dict(parse_qsl((await read_body(request)).decode("utf-8", "replace")))
        text = fields.get("text", "")
        try:
            conversation = await self.staff_pages.reply(token, notice, fields.get("id", ""), text)
        except BadRequest as error:
            page = await self.staff_pages.one(token, notice, wrong=str(error), draft=text)
            return _staff_page(page, 400)
        with suppress(StoreError):
            await self.courier.deliver(conversation)
        return RedirectResponse(f"{STAFF_PATH}/{token}/{notice}?sent=yes", 303)

    def _staff_token(self, request: Request) -> str:
        if not self.page_rate.allows(_address(request)):
            self.metrics.limited("pages")
            raise TooMany
        return str(request.path_params["token"])

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
        reason = await self.readiness.reason()
        self.metrics.ready(reason)
        return JSONResponse({"ready": False, "because": reason}, 503) if reason else JSONResponse({"ready": True})

    async def tell_metrics(self, request: Request) -> Response:
        if not may_read(request.headers.get("authorization"), self.settings.metrics_token):
            raise HTTPException(404)
        # Asked now, for a worker that no balancer asks would tell an old truth.
        self.metrics.ready(await self.readiness.reason())
        return Response(await run_in_threadpool(self.metrics.text), media_type=CONTENT_TYPE)

    async def purge(self) -> int:
        """Delete what is kept no longer; return how many conversations that were; raises StoreError."""
        purged = await self.turns.purge()
        self.metrics.purged.inc(purged)
        self.metrics.purge_time.set(time.time())
        return purged

    async def deliver(self) -> int:
        """Send what is due in the outbox; return how many letters went; raises StoreError."""
        # Before that the tables may be those of an older release.
        return await self.courier.deliver() if self.turns.started else 0

    def answers(self) -> dict[Any, Answer]:
        """Return what is answered to each exception; it also counts what became of a turn."""

        async def refused(request: Request, error: Exception) -> Response:
            if request.url.path == TURN:
                self.metrics.turn("refused")
            return await _bad_request(request, error)

        async def bad_token(request: Request, error: Exception) -> Response:
            if isinstance(error, BadToken) and error.turn:
                self._spoke_alone(error.turn)
            return await _bad_token(request, error)

        async def stale(request: Request, error: Exception) -> Response:
            self.metrics.turn("stale")
            return await _stale(request, error)

        async def not_saved(request: Request, error: Exception) -> Response:
            self.metrics.turn("not_saved")
            if isinstance(error, NotSaved):
                self._spoke_alone(error.reply)
            return await _not_saved(request, error)

        return {
            BadRequest: refused,
            BadToken: bad_token,
            BadCode: _bad_code,
            NoPlan: _no_plan,
            BadStaffLink: _no_plan,
            TooMany: _too_many,
            Stale: stale,
            NotSaved: not_saved,
            StoreError: _store_error,
        }

    def _spoke_alone(self, turn: Any) -> None:
        if self.metrics.spoken(turn["messages"]):
            self.metrics.net_alone.inc()

    def _conversation(self, request: Request, *, even_old: bool = False) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise BadToken
        conversation = self.sessions.conversation(token.strip(), even_old=even_old)
        if (here := trace.get()) is not None:
            here.conversation = pseudonym(conversation, self.secret)
        return conversation


def create_app(settings: Settings) -> Starlette:
    """Return the gateway as an ASGI app; raises SettingError, RuleError or StoreError when it could not serve."""
    quiet(settings.log)
    gateway = Gateway(settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        loading = asyncio.create_task(_load(gateway))
        purging = asyncio.create_task(_again_and_again(PURGE_SECONDS, gateway.purge))
        recovering = asyncio.create_task(_again_and_again(RECOVER_SECONDS, gateway.turns.recover))
        delivering = asyncio.create_task(_again_and_again(DELIVER_SECONDS, gateway.deliver))
        yield
        await gateway.doors.close()
        for task in (loading, purging, recovering, delivering):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await gateway.courier.close()
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
        Route("/channels/{channel}", gateway.doors.enter, methods=["GET", "POST"]),
        Route(f"{STAFF_PATH}/{{token}}", gateway.staff),
        Route(f"{STAFF_PATH}/{{token}}/{{notice:int}}", gateway.staff_one),
        Route(f"{STAFF_PATH}/{{token}}/{{notice:int}}/summary", gateway.staff_summary),
        Route(f"{STAFF_PATH}/{{token}}/{{notice:int}}/pdf", gateway.staff_pdf),
        Route(f"{STAFF_PATH}/{{token}}/{{notice:int}}/reply", gateway.staff_reply, methods=["POST"]),
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
        Route("/metrics", gateway.tell_metrics),
        Mount("/", PageFiles(directory=Path(settings.web) / PAGES)),
    ]
    middleware = [
        Middleware(Requests, headers=gateway.headers, metrics=gateway.metrics),
        Middleware(Origins, allowed=gateway.clinic.origins, refuse=_bad_origin),
        # Within the one before, so that a page of the clinic's can read that something went wrong.
        Middleware(Caught, answer=_unexpected),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=gateway.answers(), middleware=middleware)
    app.state.gateway = gateway
    return app


async def _load(gateway: Gateway) -> None:
    try:
        agent, store = await run_in_threadpool(gateway.load)
    except Exception as error:
        # The process stays up: /ready says no, and the safety net still answers.
        gateway.problem = str(error)
        logger.critical("cannot serve: %s", error)
        return
    for wait in chain(CONNECT_AGAIN, repeat(CONNECT_AGAIN[-1])):
        try:
            await run_in_threadpool(gateway.start, agent, store)
        except StoreError as error:
            gateway.problem = str(error)
            logger.critical("cannot serve yet: %s; trying again in %d s", error, wait)
            await asyncio.sleep(wait)
        else:
            gateway.problem = None
            logger.info("ready")
            return


async def _again_and_again(seconds: float, work: Callable[[], Awaitable[int]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except StoreError as error:
            logger.error("could not %s: %s", work.__name__, error)
        except Exception as error:
            # Its text may quote a patient. Whatever it is, the next time is tried: it must not end with this one.
            logger.error("could not %s: %s", work.__name__, type(error).__name__)


def _address(request: Request) -> str:
    """Return who counts as one caller; a proxy's word for it is taken only from the proxies that are trusted."""
    return household(request.client.host) if request.client else ""


def headers_for(here: Clinic) -> dict[str, str]:
    """Return the headers of every response; only Plateau's pages and the clinic's may hold one in a frame."""
    return {"Content-Security-Policy": " ".join([POLICY, "'self'", *here.origins]), **HEADERS}


async def _unexpected(request: Request) -> Response:
    return _error(500, "unexpected", catalog().get("safety.net.unavailable", **clinic().numbers_for(None)))


def _form(request: Request, *known: str) -> str | None:
    """Return in which form a page is asked for, None being HTML; raises NoPlan for a form that it does not have."""
    form: str | None = request.path_params.get("form")
    if form is not None and form not in known:
        raise NoPlan
    return form


def _staff_page(page: str, status: int = 200) -> Response:
    # The one kind of page that has a form; nobody else's may send it.
    policy = POLICY.replace("form-action 'none'", "form-action 'self'") + " 'none'"
    return HTMLResponse(page, status, {"Content-Security-Policy": policy})


def _file(body: bytes, kind: str, name: str) -> Response:
    return Response(body, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _error(status: int, code: str, message: str, **more: Any) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}, **more}, status)


def _later(status: int, code: str, message: str, **more: Any) -> JSONResponse:
    """Return an error that a client had better wait for before it asks again."""
    response = _error(status, code, message, **more)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _too_fast() -> JSONResponse:
    return _later(429, "too_many", "Too many messages at once. Please wait a moment and send it again.")


async def _bad_request(request: Request, error: Exception) -> Response:
    code = getattr(error, "code", "bad_request")
    return _error({"too_large": 413, "too_slow": 408}.get(code, 400), code, str(error))


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
    return HTMLResponse(notice_html("busy", clinic_words(), STYLE_PATH), 429, {"Retry-After": str(RETRY_SECONDS)})


async def _not_saved(request: Request, error: Exception) -> Response:
    reply = error.reply if isinstance(error, NotSaved) else {}
    return _later(503, "not_saved", reply["messages"][-1]["text"], turn=reply)


async def _stale(request: Request, error: Exception) -> Response:
    turn = error.turn if isinstance(error, Stale) else {}
    message = "This conversation has gone on since. Please go on from its latest question."
    return _error(409, "stale", message, turn=turn)


async def _store_error(request: Request, error: Exception) -> Response:
    logger.error("the database failed: %s", type(error).__name__)
    return _later(503, "unavailable", catalog().get("safety.net.unavailable", **clinic().numbers_for(None)))
