"""`plateau serve`: bot, actions and web page on one port."""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plateau.escalation import Signature

logger = logging.getLogger(__name__)

MOST_SECONDS = 300
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
    parser.add_argument(
        "--proxy",
        action="append",
        metavar="ADDRESS",
        help="address or network of a proxy whose X-Forwarded-For is believed (repeat it; default: PLATEAU_PROXIES)",
    )
    parser.add_argument(
        "--drain",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="after SIGTERM, be not ready but go on taking messages for so long (default: 0)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until stopped; returns 2 when the settings, the rules or the database are wrong."""
    from plateau.content import ContentError, SettingError
    from plateau.escalation import RuleError, signature
    from plateau.server._logging import quiet
    from plateau.server._settings import Settings, networks
    from plateau.store import StoreError

    try:
        settings = Settings.from_environment()
        proxies = networks("--proxy", ",".join(options.proxy)) if options.proxy else settings.proxies
        quiet(settings.log, requests=True)
        # Late, for Rasa takes seconds to load, and it must be quiet by then.
        from plateau.cli._server import server
        from plateau.server import create_app

        signed_by = signature()
        app = create_app(settings)
    except (SettingError, ContentError, RuleError, StoreError) as error:
        print(f"plateau serve: {error}", file=sys.stderr)
        return 2
    where = f"Plateau is on http://{options.host}:{options.port} (loading the model takes some seconds)"
    if settings.log == "json":
        # A frame of stars is not one object a line.
        fits = signed_by is not None and signed_by.current
        logger.log(logging.INFO if fits else logging.WARNING, _signed_line(signed_by))
        logger.info(where)
    else:
        print(_signed(signed_by), where, sep="\n", file=sys.stderr)
    server(app, options.host, options.port, proxies, options.drain).run()
    return 0


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (value := float(text)) <= MOST_SECONDS:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed: 0 to {MOST_SECONDS} seconds")


def _signed_line(found: Signature | None) -> str:
    if found is None:
        return UNSIGNED
    who = f"{found.clinician} ({found.role}, {found.registration})"
    signed = f"Rules and texts signed by {who} on {found.date}"
    return signed if found.current else CHANGED.format(who=who, date=found.date)


def _signed(found: Signature | None) -> str:
    """Return one quiet line where what runs is signed, else a frame that cannot be overlooked."""
    if found and found.current:
        return _signed_line(found)
    lines = (_signed_line(found), *ADVICE)
    width = max(map(len, lines))
    edge = "*" * (width + 6)
    return "\n".join([edge, *(f"*  {line:{width}}  *" for line in lines), edge])
