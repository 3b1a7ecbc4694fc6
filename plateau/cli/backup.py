"""`plateau backup` and `plateau restore`: the rows, and apart from them the wrapped keys."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plateau.store import Database


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the two subcommands."""
    for name, text, act in (
        ("backup", "write the database to a new file, while it is in use", _backup),
        ("restore", "read a backup into an empty database", _restore),
    ):
        parser = subparsers.add_parser(name, help=text)
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument(
            "--keys", action="store_true", help="of the key store instead; keep it apart from the other"
        )
        parser.set_defaults(run=_runner(name, act))


def _runner(name: str, act: Callable[[Database, Path, bool], dict[str, Any]]) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        from plateau.cli.data import named_database
        from plateau.store import StoreError

        try:
            database = named_database()
            try:
                told = act(database, options.file, options.keys)
            finally:
                database.close()
        except StoreError as error:
            print(f"plateau {name}: {error}", file=sys.stderr)
            return 2
        print(json.dumps(told, separators=(",", ":")))
        return 0

    return run


def _backup(database: Database, file: Path, keys: bool) -> dict[str, Any]:
    database.upgrade()
    return database.backup_keys(file) if keys else database.backup(file)


def _restore(database: Database, file: Path, keys: bool) -> dict[str, Any]:
    if keys:
        manifest = database.vault.restore(file)
        return {"keys": manifest["tables"]["data_keys"]["rows"]}
    return database.restore(file)
