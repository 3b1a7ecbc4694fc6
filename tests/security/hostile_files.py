"""Hostile files for the command line: `plateau assess`, `plateau read --jsonl` and `plateau test`."""

from __future__ import annotations

import contextlib
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hostile import INJECTIONS, PAYLOADS, odd_text, odd_value

from plateau.cli import main
from plateau.protocol import QUESTIONS

GOOD = {"for_whom": "self", "age_band": "40_49", "progress": "same", "pain_now": 6, "weeks_in_pt": 10}
SCENARIO = "title: One\nsteps:\n  - say: hello\n"


def records(seed: int, count: int) -> Iterator[bytes]:
    """Files for `plateau assess`, a few lines each."""
    chance = random.Random(seed)
    for _ in range(count):
        record: dict[str, Any] = dict(GOOD)
        for _ in range(chance.randint(1, 4)):
            record[chance.choice((*QUESTIONS, "red_flags", "previous", odd_text(chance, 6)))] = odd_value(chance)
        line = json.dumps(chance.choice((record, {"record": record, "id": 1}, {"record": odd_value(chance)}))).encode()
        cut = chance.randrange(len(line))
        yield chance.choice(
            (
                line,
                line[:cut],
                line + b"\n" + line,
                b"\xff" + line,
                b"[" * 9000,
                line.replace(b"}", b""),
                b"",
                b"\x00",
                b"null",
            )
        )


def messages(seed: int, count: int) -> Iterator[bytes]:
    """Lines for `plateau read --jsonl`."""
    chance = random.Random(seed)
    for number in range(count):
        text = chance.choice((odd_text(chance), chance.choice(INJECTIONS), chance.choice(PAYLOADS)))
        asked = chance.choice((None, *QUESTIONS, "no_such_question", 7))
        line = {"n": number, "question": asked, "text": text if chance.random() < 0.8 else odd_value(chance)}
        raw = json.dumps(line).encode()
        yield chance.choice((raw, raw, raw, raw, raw[:-4], b"{}", b"[]", b"7", b"\xff\xfe", b"[" * 5000))


def scenarios(seed: int, count: int) -> Iterator[bytes]:
    """Files for `plateau test`, none of which can be run: the reading of them is what is tested."""
    chance = random.Random(seed)
    # Ten levels of nine each would be three billion: a bomb where aliases are written out.
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
    for _ in range(count):
        odd = json.dumps(odd_value(chance))
        yield chance.choice(
            (
                b"title: [",
                b"\x00",
                b"\xff\xfe\x00",
                b"!!python/object/apply:os.system ['exit 3']",
                b"&a [*a]",
                b"a: &a {b: *a}",
                bomb.encode(),
                b"- " * 400,
                (SCENARIO + f"  - answer: {odd}\n  - oops: 1\n").encode(),
                f"title: {odd}\nsteps: {odd}\n  x".encode(),
                (SCENARIO + "  - say: no\n").encode(),
                b"title: One\nsteps:\n  - expect: {nothing: 1}\n",
                b"{" * 2000,
                b"",
                f"scenarios: {odd}\n".encode(),
                (SCENARIO + "  - do: {name: [a]}\n    sayy: 1\n").encode(),
            )
        )


def run(arguments: list[str]) -> tuple[int, str, str]:
    """Run `plateau` in this process; return its code and what it wrote on both outputs."""
    out, wrong = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(wrong):
        code = main(arguments)
    return code, out.getvalue(), wrong.getvalue()


def feed(folder: Path, seed: int, count: int) -> list[str]:
    """Give `count` hostile files or lines to each of the three commands; return what must not be."""
    faults = []
    for name, made, command in (("assess.json", records, ["assess"]), ("test.yml", scenarios, ["test"])):
        file = folder / name
        for content in made(seed, count):
            file.write_bytes(content)
            try:
                code, _, wrong = run([*command, str(file)])
            except Exception as error:
                faults.append(f"{name}: {type(error).__name__}: {error!s:.200}: {content[:300]!r}")
                continue
            if code not in (0, 1, 2) or (code == 2 and not wrong.strip()):
                faults.append(f"{name}: code {code} and {wrong[:100]!r}: {content[:300]!r}")
    file = folder / "read.jsonl"
    file.write_bytes(b"\n".join(messages(seed, count)) + b"\n")
    try:
        code, out, _ = run(["read", "--jsonl", str(file)])
    except Exception as error:
        return [*faults, f"read: {type(error).__name__}: {error!s:.200}"]
    lines = [json.loads(line) for line in out.split("\n") if line]
    if len(lines) != count:
        faults.append(f"read: {len(lines)} lines for {count}")
    faults += [f"read: {line!r:.200}" for line in lines if not {"error", "answers"} & set(line)]
    return faults
