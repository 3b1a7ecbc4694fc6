"""`plateau serve`: bot, actions and web page on one port."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plateau.escalation import Signature

UNSIGNED = "No clinician has signed this set of rules and texts"
CHANGED = "Signed by {who} on {date}, but changed since"
ADVICE = (
    "Do not put it in front of patients",
    "What to read and how to sign: docs/clinical/sign-off.md",
    "What is signed now: plateau rules --fingerprint",
)


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
    from plateau.escalation import RuleError, signature
    from plateau.server import create_app
    from plateau.server._settings import Settings
    from plateau.store import StoreError

    try:
        signed_by = signature()
        app = create_app(Settings.from_environment())
    except (SettingError, ContentError, RuleError, StoreError) as error:
        print(f"plateau serve: {error}", file=sys.stderr)
        return 2
    print(_signed(signed_by), file=sys.stderr)
    print(f"Plateau is on http://{options.host}:{options.port} (loading the model takes some seconds)", file=sys.stderr)
    # No websockets here, and Rasa's old `websockets` is none that uvicorn can load.
    uvicorn.run(
        app, host=options.host, port=options.port, ws="none", log_level="warning", access_log=False, server_header=False
    )
    return 0


def _signed(found: Signature | None) -> str:
    """Return one quiet line where what runs is signed, else a frame that cannot be overlooked."""
    who = f"{found.clinician} ({found.role}, {found.registration})" if found else ""
    if found and found.current:
        return f"Rules and texts signed by {who} on {found.date}"
    lines = (CHANGED.format(who=who, date=found.date) if found else UNSIGNED, *ADVICE)
    width = max(map(len, lines))
    edge = "*" * (width + 6)
    return "\n".join([edge, *(f"*  {line:{width}}  *" for line in lines), edge])
