#!/usr/bin/env python3
"""One full turn of Plateau against one of a stock `rasa init` bot, measured in the same run.

Each bot runs in a process of its own and times its own turns; the two take turns one after the other, so that what else
the machine does hits both alike. Writes docs/benchmarks.md and docs/turn.svg. `--stock FOLDER` uses a project that
`rasa init --no-prompt` made before, which saves its training.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plateau.server._logging import quiet

ROOT = Path(__file__).resolve().parent.parent
TALK = ROOT / "tests" / "e2e" / "talks" / "S02.yml"
CONVERSATIONS = 4
WARM_UP = 30
EARLY, LATE = 5, 60
WHY = "why do you ask?"
# The stock bot's own examples; a conversation of ten turns is kind to it, for its turns grow longer too.
STOCK_WORDS = (
    "hi",
    "good morning",
    "i am sad",
    "no",
    "are you a bot?",
    "great",
    "yes",
    "not good",
    "am i talking to a human?",
    "bye",
)
QUIET = {
    "RASA_TELEMETRY_ENABLED": "false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "PYTHONWARNINGS": "ignore",
    "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
    "LOG_LEVEL": "ERROR",
}
# What a profile of one turn showed: written by hand, below the figures.
NOTES = Path(__file__).with_name("notes.md")
TARGETS = {"turn": 0.6, "growth": 1.2, "memory": 0.7}


@dataclass(frozen=True, slots=True)
class Kind:
    """The turns of one kind, in milliseconds, and their growth over a conversation (None: not measured)."""

    name: str
    turns: Sequence[float]
    growth: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.turns)

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.turns, n=20)[-1]


# ---- in the processes of the two bots: commands in, milliseconds out


def work(bot: str, folder: Path) -> None:
    """Load a bot, then answer each line {"talk": id, "text" or "answers" or "command": ...} with its milliseconds."""
    # The answers go where the parent reads; whatever a library prints goes to standard error.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # As `plateau serve` does it, for both: Rasa's debug log would cost more than the turn.
    quiet()
    loop = asyncio.new_event_loop()
    take = loop.run_until_complete({"stock": stock, "plateau": plateau}[bot](folder))
    print(json.dumps("ready"), file=out, flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        if message == "memory":
            answer: Any = resident_megabytes()
        else:
            started = time.perf_counter()
            reply = loop.run_until_complete(take(message))
            answer = [(time.perf_counter() - started) * 1000, reply]
        print(json.dumps(answer), file=out, flush=True)


async def stock(folder: Path) -> Callable[[Any], Awaitable[Any]]:
    """The stock bot: embedded, no action server, trackers in memory, nothing saved."""
    from rasa.core.agent import Agent

    agent = Agent.load(next((folder / "models").glob("*.tar.gz")))

    async def take(message: Any) -> Any:
        await agent.handle_text(message["text"], sender_id=message["talk"])

    return take


async def plateau(folder: Path) -> Callable[[Any], Awaitable[Any]]:
    """Plateau behind HTTP: the gateway's own turns, with actions, saved to SQLite on disk."""
    from plateau.server._app import Gateway
    from plateau.server._incoming import Incoming
    from plateau.server._settings import Settings

    gateway = Gateway(Settings(data=str(folder)))
    gateway.start(*gateway.load())
    numbers = iter(range(10**9))

    async def take(message: Any) -> Any:
        talk = message.pop("talk")
        turn = await gateway.turns.take(talk, Incoming(str(next(numbers)), **message))
        return [question["id"] for question in turn["screen"]["questions"]]

    return take


def resident_megabytes() -> float:
    """Return this process's resident memory in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


# ---- in the measuring process


class Bot:
    """A bot in a process of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        command = [sys.executable, __file__, "--worker", name, str(folder)]
        pipe = subprocess.PIPE
        log = (folder / f"{name}.log").open("w")
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=log, text=True)
        self._log = log
        if self._process.stdout is None or self._process.stdout.readline() != '"ready"\n':
            raise SystemExit(f"{name} did not start:\n{Path(log.name).read_text()[-2000:]}")

    def ask(self, message: Any) -> Any:
        """Return the bot's answer to one message; ends the run when the bot died."""
        assert self._process.stdin and self._process.stdout
        print(json.dumps(message), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a bot failed:\n{Path(self._log.name).read_text()[-2000:]}")
        return json.loads(line)

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._log.close()


@contextmanager
def bots(stock_project: Path, data: Path) -> Iterator[tuple[Bot, Bot]]:
    both = Bot("stock", stock_project), Bot("plateau", data)
    try:
        yield both
    finally:
        for bot in both:
            bot.close()


def make_stock_project(folder: Path) -> float:
    """Make and train a stock project; return the seconds that took."""
    folder.mkdir()
    started = time.monotonic()
    command = [sys.executable, "-m", "rasa", "init", "--no-prompt", "--init-dir", str(folder)]
    result = subprocess.run(command, env={**os.environ, **QUIET}, capture_output=True, text=True)
    if result.returncode or not list((folder / "models").glob("*.tar.gz")):
        raise SystemExit(f"rasa init failed:\n{result.stderr[-2000:]}")
    return time.monotonic() - started


def text_turns() -> Iterator[dict[str, Any]]:
    """Yield the talk of S02 up to its last question, with the same message from turn 4 to 6 and from turn 59 to 61."""
    from plateau.cli._scenario import load

    said = [step["say"] for step in load(TALK)[0].steps if "say" in step][:-2]
    middle = [*said[3:], *[WHY] * LATE][: LATE - 2 - EARLY - 2]
    for text in (*said[:3], *[WHY] * 3, *middle, *[WHY] * 3):
        yield {"text": text}


def tapped_turns(asked: Callable[[], Sequence[str]]) -> Iterator[dict[str, Any]]:
    """Yield taps that answer each screen as S02 does, with "why" tapped where `text_turns` asks why."""
    from plateau.cli._scenario import answer_for, load

    (scenario,) = load(ROOT / "tests" / "e2e" / "rows" / "S02.yml")
    given = {
        name: value
        for step in scenario.steps
        for part in ("answer", "answer_all")
        for name, value in step.get(part, {}).items()
    }
    for number in range(2, LATE + 2):
        why = EARLY - 1 <= number <= EARLY + 1 or number >= LATE - 1 or not set(asked()) - {"told_therapist", "review"}
        yield {"command": "why"} if why else {"answers": {name: answer_for(name, given) for name in asked()[:1]}}


def measure(stock_bot: Bot, plateau_bot: Bot) -> tuple[list[float], Kind, Kind]:
    """Return the stock bot's turns and Plateau's by text and by tap, all taken in turn."""
    stock_ms: list[float] = []
    words = iter([(f"stock-{n // 10}", STOCK_WORDS[n % 10]) for n in range(10**5)])

    def stock_turn() -> float:
        talk, text = next(words)
        return float(stock_bot.ask({"talk": talk, "text": text})[0])

    def conversation(name: str, kind: str) -> dict[int, float]:
        """Return the milliseconds of each turn, by its number; the greeting is turn 1."""
        asked: list[str] = plateau_bot.ask({"talk": name, "command": "start"})[1]
        turns = text_turns() if kind == "text" else tapped_turns(lambda: asked)
        taken: dict[int, float] = {}
        for number, message in enumerate(turns, start=2):
            taken[number], asked = plateau_bot.ask({"talk": name, **message})
            stock_ms.append(stock_turn())
        return taken

    for _ in range(WARM_UP):
        stock_turn()
    for kind in ("text", "tap"):
        conversation(f"warm-{kind}", kind)
    stock_ms.clear()
    kinds = []
    for kind, title in (("text", "Plateau, typed"), ("tap", "Plateau, tapped")):
        talks = [conversation(f"{kind}-{n}", kind) for n in range(CONVERSATIONS)]
        kinds.append(Kind(title, [ms for talk in talks for ms in talk.values()], growth(talks)))
    return stock_ms, kinds[0], kinds[1]


def growth(talks: Sequence[dict[int, float]]) -> float:
    """Return how much longer the same message takes around turn 60 than around turn 5."""

    def around(number: int) -> float:
        return statistics.median(talk[n] for talk in talks for n in (number - 1, number, number + 1))

    return around(LATE) / around(EARLY)


# ---- what comes out


def report(kinds: Sequence[Kind], memory: Sequence[float], training: float | None) -> str:
    """Return docs/benchmarks.md."""
    stock_kind, typed, tapped = kinds
    rows = [
        ("Median of a full turn", *(f"{kind.median:.1f} ms" for kind in kinds), ""),
        ("95th percentile", *(f"{kind.p95:.1f} ms" for kind in kinds), ""),
        (
            "Median against the stock bot",
            "1",
            *(f"{k.median / stock_kind.median:.2f}" for k in (typed, tapped)),
            f"at most {TARGETS['turn']}",
        ),
        (
            f"Turn {LATE} against turn {EARLY}",
            "",
            *(f"{k.growth:.2f}" for k in (typed, tapped)),
            f"at most {TARGETS['growth']}",
        ),
        ("Memory (RSS)", f"{memory[0]:.0f} MiB", f"{memory[1]:.0f} MiB", "", ""),
        ("Memory against the stock bot", "1", f"{memory[1] / memory[0]:.2f}", "", f"at most {TARGETS['memory']}"),
    ]
    head = ["| | Stock `rasa init` | Plateau, typed | Plateau, tapped | Target |", "|---|---|---|---|---|"]
    table = "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])
    trained = "" if training is None else f"Making and training the stock project took {training:.0f} s."
    return f"""# Benchmarks

`make benchmark` writes this page. Speed is a ratio measured in one run: what else the machine does hits both alike.

![A full turn, median and 95th percentile](turn.svg)

{table}

{datetime.now(UTC):%d %B %Y}, {os.cpu_count()} cores, {total_memory():.0f} GiB of memory, {len(typed.turns)} typed and \
{len(tapped.turns)} tapped turns in {2 * CONVERSATIONS} conversations, {len(stock_kind.turns)} turns of the stock bot.
{trained}

**A turn of the stock bot** is `Agent.handle_text` of a project fresh from `rasa init --no-prompt`, with its default
configuration: no action, trackers in memory, nothing saved, conversations of ten turns.

**A turn of Plateau** is what the gateway does for one message behind HTTP: the reader and the red-flag listener, the
dialogue, the actions, and the whole turn with its reply and the answers saved to SQLite on disk. Typed turns are the
talk of `tests/e2e/talks/S02.yml`, tapped ones answer the same questions with taps.

**Turn {LATE} against turn {EARLY}** compares the same message, "{WHY}", at both places in the same conversations.

{NOTES.read_text(encoding="utf-8")}"""


def total_memory() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30


def picture(kinds: Sequence[Kind]) -> str:
    """Return the bars of docs/turn.svg: each kind's median, and its 95th percentile behind it."""
    width, left, step, bar = 640, 150, 46, 22
    scale = (width - left - 70) / max(kind.p95 for kind in kinds)
    target = left + TARGETS["turn"] * kinds[0].median * scale
    height = 40 + step * len(kinds) + 24
    box = f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="14"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>',
        "<title>A full turn in milliseconds: median (dark) and 95th percentile (light)</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        '<text x="8" y="22" fill="#1f2d3a">A full turn: median (dark) and 95th percentile (light), milliseconds</text>',
    ]
    for number, kind in enumerate(kinds):
        y = 40 + number * step
        colour = "#7a8793" if number == 0 else "#1c6e6a"
        end = left + kind.p95 * scale
        lines += [
            f'<text x="8" y="{y + 16}" fill="#1f2d3a">{kind.name}</text>',
            f'<rect x="{left}" y="{y}" width="{kind.p95 * scale:.1f}" height="{bar}" fill="{colour}" opacity="0.3"/>',
            f'<rect x="{left}" y="{y}" width="{kind.median * scale:.1f}" height="{bar}" fill="{colour}"/>',
            f'<text x="{end + 6:.1f}" y="{y + 16}" fill="#1f2d3a">{kind.median:.1f}</text>',
        ]
    foot = height - 10
    words = f"target: {TARGETS['turn']} of the stock bot"
    lines += [
        f'<line x1="{target:.1f}" y1="32" x2="{target:.1f}" y2="{foot - 14}" stroke="#a33" stroke-dasharray="4 3"/>',
        f'<text x="{target:.1f}" y="{foot}" text-anchor="middle" fill="#a33">{words}</text>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stock", type=Path, metavar="FOLDER", help="use this trained stock project")
    parser.add_argument("--worker", nargs=2, metavar=("BOT", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.update(QUIET)
    if options.worker:
        work(options.worker[0], Path(options.worker[1]))
        return
    # Beside the server's own data, so that both save to the same disk.
    (ROOT / "var").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "var") as name:
        project, data = options.stock or Path(name) / "stock", Path(name) / "data"
        data.mkdir()
        training = None if options.stock else make_stock_project(project)
        with bots(project, data) as (stock_bot, plateau_bot):
            stock_ms, typed, tapped = measure(stock_bot, plateau_bot)
            memory = [stock_bot.ask("memory"), plateau_bot.ask("memory")]
    kinds = [Kind("Stock rasa init", stock_ms), typed, tapped]
    page = report(kinds, memory, training)
    (ROOT / "docs").mkdir(exist_ok=True)
    (ROOT / "docs" / "benchmarks.md").write_text(page, encoding="utf-8")
    (ROOT / "docs" / "turn.svg").write_text(picture(kinds), encoding="utf-8")
    print("\n".join(line for line in page.splitlines() if line.startswith("|")))


if __name__ == "__main__":
    main()
