"""`plateau keys`: which master keys wrap the data keys, and wrapping them with another."""

from __future__ import annotations

import argparse
import json
import sys


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("keys", help="count the data keys by master key, or wrap them with another")
    parser.add_argument("act", choices=("status", "rotate", "new"), help="new prints a master key and changes nothing")
    parser.add_argument(
        "--file", action="store_true", help="rotate: first put a new master key into the data folder's file"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what was done as JSON; returns 2 when it could not be done."""
    from plateau.cli.data import open_database
    from plateau.store import Repository, StoreError
    from plateau.store._masters import new_master

    if options.act == "new":
        print(new_master())
        return 0
    try:
        database = open_database()
        try:
            vault, told = database.vault, {}
            if options.act == "rotate":
                if options.file:
                    vault.masters.add_to_file()
                wrapped = 0
                while batch := vault.rewrap():
                    wrapped += batch
                with database.transaction() as session:
                    Repository(session).audit_all("keys_rotated", keys=wrapped, master=vault.masters.first.id)
                told["wrapped_again"] = wrapped
                # What the old master key opens must not live on in the log.
                database.scrub()
            keys = vault.counts()
            print(json.dumps({**told, "wraps": vault.masters.first.id, "keys": keys}, separators=(",", ":")))
        finally:
            database.close()
    except StoreError as error:
        print(f"plateau keys: {error}", file=sys.stderr)
        return 2
    return 0
