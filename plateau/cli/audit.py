"""`plateau audit`: who saw, took or erased what, and whether the trail is whole."""

from __future__ import annotations

import argparse
import json
import sys


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("audit", help="list the audit trail as JSON lines, or check that it is whole")
    parser.add_argument("--verify", action="store_true", help="check the trail instead: 1 when it was tampered with")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the entries or what the check found; returns 1 for a broken trail, 2 when it cannot be read."""
    from plateau.cli.data import open_database
    from plateau.store import Broken, StoreError, entries, verify

    try:
        database = open_database()
        try:
            with database.reading() as session:
                if options.verify:
                    number = verify(session, database.vault)
                    print(json.dumps({"entries": number, "whole": True}, separators=(",", ":")))
                else:
                    for entry in entries(session):
                        print(json.dumps(entry.to_dict(), separators=(",", ":")))
        finally:
            database.close()
    except Broken as error:
        print(f"plateau audit: {error}", file=sys.stderr)
        return 1
    except StoreError as error:
        print(f"plateau audit: {error}", file=sys.stderr)
        return 2
    return 0
