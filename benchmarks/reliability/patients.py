"""Patients as a real client plays them: screens answered, words typed, a message sent again until it is taken."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from plateau.cli._scenario import answer_for, load
from plateau.protocol import QUESTIONS
from plateau.server._sessions import Sessions

from .ledger import FIRST_ID, Ledger, Sent

ROWS = Path(__file__).resolve().parent.parent.parent / "tests" / "e2e" / "rows"
EMERGENCY = "I have crushing chest pain and I cannot breathe"
# Letters only, and no word: the reader leaves it alone, and nothing else looks like it.
CANARY = re.compile(r"zq[b-df-hj-np-tv-xz]{8}q")
CONSONANTS = "bcdfghjkmnpqrstvwxz"
MOST_TURNS = 150
# What a client waits for an answer before it sends the message again.
TRY_SECONDS = 30.0
GIVE_UP_SECONDS = 240.0
WHY = "why do you ask?"


class GaveUp(Exception):
    """A message was not taken for as long as its patient tries."""


def scripts() -> list[dict[str, Any]]:
    """Return the answers of the rows S01 to S14, whose interviews end with a plan."""
    found = []
    for file in sorted(ROWS.glob("S*.yml")):
        for scenario in load(file):
            given: dict[str, Any] = {}
            for step in scenario.steps:
                given |= {**step.get("answer", {}), **step.get("answer_all", {})}
            if file.stem != "S15":
                found.append({**given, "for_whom": "self", "country": "us", "consent": "yes"})
    return found


@dataclass(slots=True)
class Habits:
    """How often a patient does other than tap the next answer, and how long they wait between messages (seconds).

    `pace` draws the pause before each message; after `give_up` seconds of trying a message is given up.
    """

    typed: float = 0.2
    asks_why: float = 0.06
    reloads: float = 0.04
    goes_back: float = 0.03
    twice_at_once: float = 0.06
    two_at_once: float = 0.04
    give_up: float = GIVE_UP_SECONDS
    pace: Callable[[random.Random], float] = lambda rng: rng.uniform(0.05, 0.4)


@dataclass(slots=True)
class Counts:
    """What all patients of a run did and were told."""

    told: dict[str, int] = field(default_factory=dict)
    double_sends: int = 0
    two_at_once: int = 0
    reloads: int = 0
    # Seconds until a 200, of single tries that got one.
    seconds: list[float] = field(default_factory=list)

    def tell(self, what: str) -> None:
        self.told[what] = self.told.get(what, 0) + 1


@dataclass(slots=True)
class Answer:
    """One response: its status and body; status 0: none came."""

    status: int
    body: dict[str, Any]

    @property
    def code(self) -> str:
        return str(self.body.get("error", {}).get("code", ""))


class Patient:
    """One patient's interview over HTTP, on any of `urls` at random: nothing ties them to a worker."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        urls: Sequence[str],
        secret: str,
        rng: random.Random,
        counts: Counts,
        habits: Habits,
    ) -> None:
        self._http, self._urls, self._rng, self.counts, self._habits = http, urls, rng, counts, habits
        self._sessions = Sessions(secret)
        self._headers: dict[str, str] = {}
        self._ids = 0
        self._given = dict(rng.choice(SCRIPTS))
        self.turn: dict[str, Any] = {}
        self.ledger = Ledger("", f"zq{''.join(rng.choice(CONSONANTS) for _ in range(8))}q")
        self.turns = 0

    @property
    def asked(self) -> list[str]:
        screen = self.turn.get("screen") or {}
        return [question["id"] for question in screen.get("questions", ())]

    @property
    def kind(self) -> str:
        return str((self.turn.get("screen") or {}).get("kind"))

    async def interview(self, until: Callable[[], bool] = lambda: False) -> None:
        """Play the interview to its plan, or until told to stop before the next message."""
        try:
            await self.begin()
            while self.kind != "plan" and self.turns < MOST_TURNS and not until():
                await asyncio.sleep(self._habits.pace(self._rng))
                await self.step()
            self.ledger.finished = self.kind == "plan"
            if self.ledger.conversation:
                await self.reload()
        except GaveUp as error:
            self.ledger.surprises.append(f"gave up: {error}")

    async def begin(self) -> None:
        """Begin a conversation; one whose answer never came is left behind, as a closed page leaves it."""

        async def attempt() -> Answer:
            return await self._call("POST", "/api/session", b"")

        answer = await self._until_taken(attempt, "begin", final=(201,))
        self.turn = answer.body["turn"]
        self._headers = {"Authorization": f"Bearer {answer.body['token']}"}
        self.ledger.conversation = self._sessions.conversation(answer.body["token"])
        first = Sent(FIRST_ID, {})
        first.attempts, first.reply = 1, self.turn
        self.ledger.sent[FIRST_ID] = first
        self.turns = 1

    async def step(self) -> None:
        """Do the next thing: mostly an answer by tap, at times what people also do."""
        self.turns += 1
        draw = self._rng.random()
        habits = self._habits
        for chance, act in (
            (habits.asks_why, self._ask_why),
            (habits.reloads, self.reload),
            (habits.goes_back, self._go_back),
            (habits.two_at_once, self._two_at_once),
            (habits.typed, self._type),
        ):
            if draw < chance:
                await act()
                return
            draw -= chance
        await self._tap(twice=self._rng.random() < habits.twice_at_once)

    async def say(self, text: str) -> Answer:
        """Send words and take the turn."""
        return await self._send(self._message(text=text))

    async def reload(self) -> None:
        """Load the page anew: the server must show what was acknowledged last."""

        async def attempt() -> Answer:
            return await self._call("GET", "/api/resume")

        self.counts.reloads += 1
        answer = await self._until_taken(attempt, "resume", final=(200,))
        if answer.body != self.turn:
            before, now = self.turn.get("number"), answer.body.get("number")
            self.ledger.surprises.append(f"a reload showed turn {now}, the last acknowledged was {before}")
            self.turn = answer.body

    def answer_to(self, question: str) -> Any:
        """Return this patient's answer to a question; own words carry their canary."""
        known = QUESTIONS[question]
        if known.kind == "text":
            return f"the {self.ledger.canary} kind"
        if known.kind == "activities":
            return [{"activity": f"walking to {self.ledger.canary}", "score": 4}]
        return answer_for(question, self._given)

    # ---- what a patient does

    async def _tap(self, *, twice: bool = False) -> None:
        message = self._next()
        if not twice:
            await self._send(message)
            return
        self.counts.double_sends += 1
        shuffled = self._rng.sample(self._urls, len(self._urls))
        await asyncio.gather(self._send(message, shuffled[0]), self._send(message, shuffled[-1]))

    async def _type(self) -> None:
        """Type the title of the option that would be tapped, or the number; else tap."""
        questions = (self.turn.get("screen") or {}).get("questions") or []
        words = self._typed(questions[0]) if len(questions) == 1 else None
        await (self._tap() if words is None else self.say(words))

    def _typed(self, question: Mapping[str, Any]) -> str | None:
        answer = self.answer_to(question["id"])
        if question["kind"] in ("number", "nprs"):
            return str(answer)
        if question["kind"] == "choice":
            return next((str(one["title"]) for one in question["options"] if one["value"] == answer), None)
        return None

    async def _ask_why(self) -> None:
        if self._rng.random() < 0.5:
            await self.say(WHY)
        else:
            await self._send(self._message(command={"name": "why"}))

    async def _go_back(self) -> None:
        commands = (self.turn.get("screen") or {}).get("commands", ())
        await (self._send(self._message(command={"name": "back"})) if "back" in commands else self._tap())

    async def _two_at_once(self) -> None:
        """Two different messages at once, as from two tabs: both are taken, one after the other, or one is refused."""
        self.counts.two_at_once += 1
        both = [self._message(text=WHY), self._message(command={"name": "why"})]
        if self._rng.random() < 0.5:
            for message in both:
                # Neither says what it has seen: both must be taken.
                message.pop("after")
        await asyncio.gather(*(self._send(message) for message in both))

    def _next(self) -> dict[str, Any]:
        if self.kind == "review":
            return self._message(command={"name": "confirm"})
        if self.kind == "questions":
            return self._message(answers={name: self.answer_to(name) for name in self.asked})
        # Nobody here says a red flag or stops; on any other screen the way on is to take it up again.
        return self._message(command={"name": "resume"})

    def _message(self, **content: Any) -> dict[str, Any]:
        self._ids += 1
        return {"id": f"m{self._ids}-{self._rng.getrandbits(48):012x}", **content, "after": self.turn["number"]}

    # ---- the wire

    async def _send(self, message: Mapping[str, Any], first: str | None = None) -> Answer:
        """Send a message until it is taken or refused for good; the same id and body each time."""
        sent = self.ledger.sent.setdefault(message["id"], Sent(message["id"], message))
        body = json.dumps(message).encode()
        urls = iter([first] if first else [])

        async def attempt() -> Answer:
            sent.attempts += 1
            return await self._call("POST", "/api/turn", body, next(urls, None))

        answer = await self._until_taken(attempt, "turn", final=(200, 409))
        if answer.status == 200:
            self._acknowledged(sent, answer.body)
        else:
            self._stale(sent, answer)
        return answer

    def _acknowledged(self, sent: Sent, turn: dict[str, Any]) -> None:
        if turn.get("saved") is not True or turn.get("id") != sent.id:
            self.ledger.surprises.append(f"200 with saved {turn.get('saved')!r}, id {turn.get('id')!r} for {sent.id}")
        if sent.reply is not None:
            if sent.reply != turn:
                self.ledger.surprises.append(f"{sent.id}: two different replies")
            return
        sent.reply = turn
        number = turn["number"]
        if any(other.reply["number"] == number for other in self.ledger.sent.values()
               if other.reply is not None and other.id != sent.id):  # fmt: skip
            self.ledger.surprises.append(f"two messages have the turn number {number}")
        tapped = sent.body.get("answers")
        if tapped:
            self.ledger.answers |= tapped
        elif "confirm" not in str(sent.body.get("command")):
            # Words or moves: what they did to the answers asked is for the server to say.
            for name in self.asked:
                self.ledger.answers.pop(name, None)
            for question in (turn.get("screen") or {}).get("questions", ()):
                self.ledger.answers.pop(question["id"], None)
        if number >= self.turn["number"]:
            self.turn = turn

    def _stale(self, sent: Sent, answer: Answer) -> None:
        """Note a refusal: right where two were sent at once; the way on is from the latest turn."""
        sent.refused = (answer.status, answer.code)
        latest = answer.body.get("turn", {})
        if latest.get("number", 0) <= sent.body.get("after", 0):
            self.ledger.surprises.append(f"{sent.id} was refused as stale, but nothing came after")
        other = self.ledger.sent.get(latest.get("id"))
        if other is None:
            self.ledger.surprises.append(f"{sent.id} was overtaken by a message that nobody sent")
        if latest.get("number", 0) > self.turn["number"] and other is not None and other.reply is None:
            self._acknowledged(other, latest)

    async def _until_taken(self, attempt: Callable[[], Any], what: str, final: tuple[int, ...]) -> Answer:
        """Try again, with growing random pauses, while the answer is that it could not be taken now."""
        began, pause = time.monotonic(), 0.1
        while True:
            answer: Answer = await attempt()
            if answer.status in final:
                return answer
            if answer.status not in (0, 503):
                self.ledger.surprises.append(f"{what}: {answer.status} {answer.code}")
                raise GaveUp(f"{what}: {answer.status} {answer.code}")
            if time.monotonic() - began > self._habits.give_up:
                raise GaveUp(f"{what}: last {answer.status} {answer.code}")
            await asyncio.sleep(self._rng.uniform(0, pause))
            pause = min(2 * pause, 2.0)

    async def _call(self, method: str, path: str, body: bytes | None = None, url: str | None = None) -> Answer:
        began = time.monotonic()
        try:
            async with self._http.request(
                method, (url or self._rng.choice(self._urls)) + path, data=body, headers=self._headers
            ) as response:
                text, status = await response.text(), response.status
        except TimeoutError:
            self.counts.tell("no answer in time")
            return Answer(0, {})
        except (aiohttp.ClientError, OSError):
            self.counts.tell("no connection")
            return Answer(0, {})
        self._check(text)
        answer = Answer(status, json.loads(text))
        self.counts.tell(f"{status} {answer.code}".strip())
        if status == 200 and path == "/api/turn":
            self.counts.seconds.append(time.monotonic() - began)
        elif status == 503:
            self._check_truth(answer)
        return answer

    def _check(self, text: str) -> None:
        """Nobody may read another patient's words."""
        if foreign := {found for found in CANARY.findall(text) if found != self.ledger.canary}:
            self.ledger.surprises.append(f"the words of {len(foreign)} other patients were received")

    def _check_truth(self, answer: Answer) -> None:
        """What was not saved must be said in words, and never look like a turn that was."""
        if not answer.body.get("error", {}).get("message"):
            self.ledger.surprises.append("503 without words for the patient")
        if answer.code == "not_saved" and answer.body.get("turn", {}).get("saved") is not False:
            self.ledger.surprises.append("503 not_saved with a turn that looks saved")


SCRIPTS = scripts()


def client() -> aiohttp.ClientSession:
    """Return an HTTP client for any number of patients."""
    limits = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    return aiohttp.ClientSession(connector=limits, timeout=aiohttp.ClientTimeout(total=TRY_SECONDS))
