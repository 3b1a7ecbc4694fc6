"""`plateau chat`: the conversation in a terminal, through the real gateway."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from typing import Any


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("chat", help="talk to the bot in the terminal; nothing is kept")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Chat until end of input."""
    from plateau.server._logging import quiet

    quiet()
    return asyncio.run(_chat())


async def _chat() -> int:
    from plateau.cli._gateway import Conversation, GatewayError, gateway

    with tempfile.TemporaryDirectory() as folder:
        async with gateway(folder) as (client, _):
            conversation = Conversation(client)
            _show(await conversation.begin())
            while line := await asyncio.to_thread(_line):
                try:
                    _show(await conversation.send(text=line))
                except GatewayError as error:
                    print(error, file=sys.stderr)
    return 0


def _line() -> str:
    try:
        return input("> ").strip() or " "
    except EOFError:
        return ""


def _show(turn: dict[str, Any]) -> None:
    for message in turn["messages"]:
        print(f"\n{message['text']}")
    screen = turn["screen"] or {}
    for row in screen.get("rows", ()):
        print(f"  {row['label']}: {row['answer']}")
    for question in screen.get("questions", ())[:1]:
        for option in question.get("options", ()):
            print(f"  - {option['title']}")
