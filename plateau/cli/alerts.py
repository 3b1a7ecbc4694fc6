"""`plateau alerts` and `plateau staff`: what waits to be sent and what could not be, and a link to what has come in."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plateau.store import LetterRow

LISTED = 100


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the two subcommands."""
    alerts = subparsers.add_parser("alerts", help="list letters to patients and staff that wait or were given up")
    alerts.add_argument("--all", action="store_true", help="those that were sent too")
    alerts.add_argument("--again", metavar="NUMBER", type=int, help="try one that was given up once more")
    alerts.set_defaults(run=run)
    staff = subparsers.add_parser("staff", help="print a link to the staff's page of what has come in")
    staff.set_defaults(run=run_staff)


def run(options: argparse.Namespace) -> int:
    """Print letters as JSON lines, without their content; returns 1 when there is none to try again, 2 on failure."""
    from plateau.cli.data import open_database
    from plateau.store import Outbox, StoreError

    states = () if options.all else ("waiting", "given_up")
    try:
        database = open_database()
        try:
            with database.transaction() as session:
                outbox = Outbox(session)
                if options.again is not None and not outbox.again(options.again):
                    print(f"plateau alerts: {options.again} is no letter that was given up", file=sys.stderr)
                    return 1
                for letter in outbox.listing(LISTED, states):
                    print(json.dumps(_shown(letter), separators=(",", ":")))
        finally:
            database.close()
    except StoreError as error:
        print(f"plateau alerts: {error}", file=sys.stderr)
        return 2
    return 0


def run_staff(options: argparse.Namespace) -> int:
    """Print the link; returns 2 when the clinic's settings have no address to begin it with."""
    from pathlib import Path

    from plateau.content import SettingError, clinic
    from plateau.server._sessions import checked_secret, kept_secret
    from plateau.server._settings import Settings
    from plateau.server._staff import StaffLinks

    try:
        settings = Settings.from_environment()
        here = clinic(settings.clinic)
        if here.public_url is None:
            raise SettingError("public_url is not set in the clinic's settings; allowed: an https address")
        secret = checked_secret(settings.secret) or kept_secret(Path(settings.data))
    except SettingError as error:
        print(f"plateau staff: {error}", file=sys.stderr)
        return 2
    link, until = StaffLinks(secret, here).make()
    print(json.dumps({"link": link, "until": until.isoformat(timespec="seconds")}, separators=(",", ":")))
    return 0


def _shown(letter: LetterRow) -> dict[str, Any]:
    """Return a letter for the eyes of an administrator: whose it is, but not what it says."""
    held = {name: value for name, value in asdict(letter).items() if name not in ("content", "key", "parts")}
    return {
        name: value.isoformat(timespec="seconds") if hasattr(value, "isoformat") else value
        for name, value in held.items()
    }
