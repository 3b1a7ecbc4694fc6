"""Stands in for the gateway while there is none: the real protocol, screens and plan, without Rasa or a database."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from plateau.channels import Dialogue, turn_screen
from plateau.content import catalog
from plateau.escalation import assess
from plateau.protocol import InvalidAnswer, next_question, previous_question, record_of, screen, validate

ROOT = Path(__file__).parents[2]
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
HERE = {
    "emergency": "911",
    "crisis": "988 (call or text)",
    "advice": "your doctor",
    "clinic": "Riverside",
    "phone": "+1 555 0100",
}


class Conversation:
    """One patient's answers, and what was said last."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.before: dict[str, Any] = {}
        self.stage: str | None = None
        self.turns: dict[str, dict[str, Any]] = {}
        self.last: dict[str, Any] = {}

    def take(self, body: dict[str, Any]) -> dict[str, Any]:
        ident = body["id"]
        if ident not in self.turns:
            self.turns[ident] = self.reply(ident, self.react(body))
        return self.turns[ident]

    def reply(self, ident: str | None, messages: list[dict[str, Any]]) -> dict[str, Any]:
        texts, asked = catalog(), next_question(self.answers)
        stage = self.stage or ("plan" if asked is None else None)
        if stage is None:
            messages = [*messages, say(f"ask.{asked}", texts.get(f"questions.{asked}.ask"), "question")]
        shown = turn_screen(Dialogue(stage, asked, self.answers, HERE), texts)
        for question in (shown or {}).get("questions", ()):
            question["current"] = question["current"] or self.before.get(question["id"])
        self.last = {"id": ident, "number": len(self.turns), "saved": True, "messages": messages, "screen": shown}
        return self.last

    def react(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        if "text" in body:
            return self.read(body["text"])
        if "answers" in body:
            self.answers |= {name: validate(name, value) for name, value in body["answers"].items()}
            return []
        return self.command(body["command"])

    def read(self, text: str) -> list[dict[str, Any]]:
        texts = catalog()
        if "chest pain" in text:
            self.stage = "emergency"
            return [say("safety.emergency", texts.get("safety.emergency", **HERE), "emergency")]
        if "fever" in text:
            return [say("safety.same_day", texts.get("safety.same_day", **HERE), "urgent")]
        return [say("utter_noted", "Thank you, I wrote that down.")]

    def command(self, command: dict[str, str]) -> list[dict[str, Any]]:
        asked = next_question(self.answers)
        match command["name"]:
            case "why":
                return [say("why", catalog().get(f"questions.{asked}.why"))]
            case "back":
                self.reopen(previous_question(self.answers, asked))
            case "change":
                self.reopen(command["question"])
            case "skip" | "dont_know" as name:
                value = {"skip": "skipped", "dont_know": "unknown"}[name]
                self.answers |= dict.fromkeys(screen(self.answers, asked or "").questions, value)
            case "restart":
                self.answers = {}
            case "confirm":
                self.answers["review"] = "confirm"
                return self.plan()
            case "stop":
                self.stage = "paused"
            case "resume" | "mistake" | "checked":
                self.stage = None
        return []

    def reopen(self, name: str | None) -> None:
        self.before = dict(self.answers)
        for gone in (name, "review"):
            self.answers.pop(gone or "", None)

    def plan(self) -> list[dict[str, Any]]:
        texts, made = catalog(), assess(record_of(self.answers)).to_dict()
        items = [
            {**item, "title": texts.get(f"plan.recommendations.{item['id']}.title")} for item in made["recommendations"]
        ]
        lines = "\n".join(f"{item['title']}\n{item['text']}" for item in items)
        asked = "\n".join(f"- {question}" for question in made["questions_for_therapist"])
        return [
            {**say("plan.recommendations", lines, "plan"), "items": items},
            say("plan.questions", f"Questions for your therapist\n{asked}", "plan"),
        ]


def say(ident: str, text: str, kind: str = "say") -> dict[str, Any]:
    return {"id": ident, "kind": kind, "text": text}


talks: dict[str, Conversation] = {}


def token_of(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def error(status: int, code: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": code}}, status)


async def session(request: Request) -> Response:
    token, talk = secrets.token_urlsafe(), Conversation()
    talks[token] = talk
    hello = say(
        "utter_greeting",
        "Hello. I help you find out why your therapy may have stalled.\n- It takes ten minutes.\n- You can stop.",
    )
    return JSONResponse({"token": token, "expires_in": 43200, "turn": talk.reply(None, [hello])}, 201)


async def turn(request: Request) -> Response:
    if token_of(request) not in talks:
        return error(401, "bad_token")
    try:
        return JSONResponse(talks[token_of(request)].take(await request.json()))
    except InvalidAnswer:
        return error(400, "bad_answer")


async def resume(request: Request) -> Response:
    talk = talks.get(token_of(request))
    return JSONResponse(talk.last) if talk else error(401, "bad_token")


async def forget(request: Request) -> Response:
    talks.pop(token_of(request), None)
    return JSONResponse({"forgotten": True})


async def words(request: Request) -> Response:
    texts = catalog()
    page = texts.tree("page")
    return JSONResponse(
        {
            **page,
            "commands": {**page["commands"], **texts.tree("safety.options")},
            "here": HERE,
            "numbers": texts.tree("safety.numbers"),
            "countries": texts.tree("questions.country.options"),
        }
    )


class Headers:
    """Adds the gateway's security headers."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(b"content-security-policy", CSP.encode()), (b"cache-control", b"no-store")]
            await send(message)

        await self.app(scope, receive, with_headers)


app = Starlette(
    routes=[
        Route("/api/session", session, methods=["POST"]),
        Route("/api/turn", turn, methods=["POST"]),
        Route("/api/resume", resume),
        Route("/api/forget", forget, methods=["POST"]),
        Route("/api/words", words),
        Mount("/", StaticFiles(directory=ROOT / "web", html=True)),
    ],
    middleware=[Middleware(Headers)],
)
