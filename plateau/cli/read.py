"""`plateau read`: what is read from a message, exactly as the conversation reads it (design, section 5)."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

DEFAULT_MODEL = "models/plateau.tar.gz"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("read", help="show what is read from a message")
    parser.add_argument("text", metavar="TEXT", nargs="?", help="the message; - for standard input")
    parser.add_argument("--question", metavar="ID", help="the question just asked; left out: none")
    lines = 'lines {"question": ID or null, "text": ...}; - for standard input'
    parser.add_argument("--jsonl", metavar="FILE", help=lines)
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
    read = load(options.model)
    for line in lines:
        print(json.dumps(_read(line, read), ensure_ascii=False, separators=(",", ":")))
    return 0


def load(model: str) -> Callable[[str, str | None], dict[str, Any]]:
    """Return a function from (text, question id or None) to the reading's answers, intent and red_flags."""
    from plateau.server._logging import quiet

    quiet()
    from plateau.understanding.reading import load_reading

    return load_reading(Path(model))


def _single(options: argparse.Namespace) -> Iterator[Any]:
    text = sys.stdin.read() if options.text == "-" else options.text
    yield {"question": options.question, "text": text}


def _lines(file: str) -> list[Any]:
    text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    return [_parsed(line) for line in text.splitlines() if line.strip()]


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        return {"error": f"not JSON: {error}"}


def _read(line: Any, read: Callable[[str, str | None], dict[str, Any]]) -> dict[str, Any]:
    if not isinstance(line, dict):
        return {"error": f"a line is an object with question and text, not {type(line).__name__}"}
    if "error" in line and "text" not in line:
        return line
    problem = _problem(line)
    return {**line, "error": problem} if problem else {**line, **read(line["text"], line.get("question"))}


def _problem(line: dict[str, Any]) -> str | None:
    from plateau.protocol import QUESTIONS

    if not isinstance(line.get("text"), str):
        return "text: must be a string"
    known: Iterable[str] = ("red_flags", *QUESTIONS)
    if line.get("question") is not None and line["question"] not in known:
        return f"question: {line['question']!r} is not one of {', '.join(known)}, or null"
    return None
