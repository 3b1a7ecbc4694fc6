"""`plateau read`: what is read from a message, exactly as the conversation reads it (design, section 5)."""

from __future__ import annotations

import argparse
import json
import sys
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plateau.understanding.reading import ModelReader

DEFAULT_MODEL = "models/plateau.tar.gz"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("read", help="show what is read from a message")
    parser.add_argument("text", metavar="TEXT", nargs="?", help="the message; - for standard input")
    parser.add_argument("--question", metavar="ID", help="the question just asked; left out: none")
    lines = 'lines {"question": ID or null, "text": ...}; - for standard input'
    parser.add_argument("--jsonl", metavar="FILE", help=lines)
    parser.add_argument(
        "--explain",
        action="store_true",
        help='say on standard error why it is read so; with --jsonl in a key "explain"',
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, help="the trained model (default: %(default)s)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print one compact JSON object a message; returns 2 when the input or the model cannot be read."""
    if (options.text is None) == (options.jsonl is None):
        print("plateau read: give either TEXT or --jsonl FILE", file=sys.stderr)
        return 2
    try:
        lines = list(_single(options)) if options.jsonl is None else _lines(options.jsonl)
    except (OSError, UnicodeDecodeError) as error:
        print(f"plateau read: {options.jsonl or 'standard input'} cannot be read: {error}", file=sys.stderr)
        return 2
    if not Path(options.model).is_file():
        print(f"plateau read: {options.model}: there is no trained model; run `make setup`", file=sys.stderr)
        return 2
    model = load(options.model)
    for line in lines:
        answer = read_line(line, model, explain=options.explain)
        told = answer.pop("explain", None) if options.jsonl is None else None
        print(_printed(answer), flush=options.explain)
        if told is not None:
            print(_readable(told), file=sys.stderr)
        elif options.explain and options.jsonl is None:
            print(f"plateau read: there is nothing to explain: {answer['error']}", file=sys.stderr)
            return 2
    return 0


def load(model: str) -> ModelReader:
    """Return the trained model, ready to read."""
    from plateau.server._logging import quiet

    quiet()
    from plateau.understanding.reading import ModelReader

    return ModelReader(Path(model))


def read_line(line: Any, model: ModelReader, *, explain: bool = False) -> dict[str, Any]:
    """Return a line with what is read from it, or with an error that says what is wrong with the line."""
    if not isinstance(line, dict):
        return {"error": f"a line is an object with question and text, not {type(line).__name__}"}
    if "error" in line and "text" not in line:
        return line
    problem = _problem(line)
    if problem:
        return {**line, "error": problem}
    if not explain:
        return {**line, **model.read(line["text"], line.get("question"))}
    reading, told = model.explained(line["text"], line.get("question"))
    return {**line, **reading, "explain": told}


def _single(options: argparse.Namespace) -> Iterator[Any]:
    text = sys.stdin.read() if options.text == "-" else options.text
    yield {"question": options.question, "text": text}


def _lines(file: str) -> list[Any]:
    raw = sys.stdin.read().encode("utf-8", "surrogateescape") if file == "-" else Path(file).read_bytes()
    # Not splitlines() of the text: a message may hold other line separators, such as U+2028.
    return [_parsed(line) for line in raw.removeprefix(BOM_UTF8).split(b"\n") if line.strip()]


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        return {"error": "not UTF-8 text"}
    except ValueError as error:
        return {"error": f"not JSON: {error}"}
    except RecursionError:
        return {"error": "not a message: nested too deeply"}


def _printed(answer: dict[str, Any]) -> str:
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    # Half of a surrogate pair, which a client can send as an escape, can only go back as one.
    return text if _encodes(text) else json.dumps(answer, separators=(",", ":"))


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _readable(explanation: dict[str, Any]) -> str:
    from plateau.understanding.explain import readable

    return readable(explanation)


def _problem(line: dict[str, Any]) -> str | None:
    from plateau.protocol import QUESTIONS

    if not isinstance(line.get("text"), str):
        return "text: must be a string"
    known: Iterable[str] = ("red_flags", *QUESTIONS)
    if line.get("question") is not None and line["question"] not in known:
        return f"question: {line['question']!r} is not one of {', '.join(known)}, or null"
    return None
