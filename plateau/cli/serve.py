"""`plateau serve`: bot, actions and web page on one port."""

from __future__ import annotations

import argparse
import sys


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("serve", help="serve the bot with its web page")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on (default: %(default)s)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until stopped; returns 2 when the settings, the rules or the database are wrong."""
    from plateau.server._logging import quiet

    quiet()
    import uvicorn

    from plateau.content import ContentError, SettingError
    from plateau.escalation import RuleError
    from plateau.server import create_app
    from plateau.server._settings import Settings
    from plateau.store import StoreError

    try:
        app = create_app(Settings.from_environment())
    except (SettingError, ContentError, RuleError, StoreError) as error:
        print(f"plateau serve: {error}", file=sys.stderr)
        return 2
    print(f"Plateau is on http://{options.host}:{options.port} (loading the model takes some seconds)", file=sys.stderr)
    # No websockets here, and Rasa's old `websockets` is none that uvicorn can load.
    uvicorn.run(
        app, host=options.host, port=options.port, ws="none", log_level="warning", access_log=False, server_header=False
    )
    return 0
