"""`plateau report`, `plateau export` and `plateau erase`: one patient's stored conversation."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plateau.store import Database, Repository


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the three subcommands."""
    for name, text, act in (
        ("report", "print the summary of a stored re-evaluation", _report),
        ("export", "print everything stored of a conversation as JSON", _export),
        ("erase", "delete everything stored of a conversation", _erase),
    ):
        parser = subparsers.add_parser(name, help=text)
        parser.add_argument("id", metavar="ID", help="the conversation's id")
        parser.set_defaults(run=_runner(name, act))


def _runner(name: str, act: Callable[[Repository, str], str | None]) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        from plateau.store import Repository, StoreError

        try:
            database = _open()
            with database.transaction() as session:
                text = act(Repository(session), options.id)
            # What was erased must not live on in the database's log.
            database.scrub()
            database.close()
        except StoreError as error:
            print(f"plateau {name}: {error}", file=sys.stderr)
            return 2
        if text is None:
            print(f"plateau {name}: there is no conversation {options.id!r}", file=sys.stderr)
            return 1
        print(text)
        return 0

    return run


def _open() -> Database:
    from plateau.server._settings import Settings
    from plateau.store import Database

    settings = Settings.from_environment()
    database = Database(settings.database) if settings.database else Database.in_folder(settings.data)
    database.upgrade()
    return database


def _report(repository: Repository, conversation: str) -> str | None:
    from plateau.content import catalog
    from plateau.protocol import record_of
    from plateau.report import summary_text

    row = repository.reevaluation(conversation)
    return summary_text(record_of(row.answers), row.assessment, catalog()) if row else None


def _export(repository: Repository, conversation: str) -> str | None:
    tables = repository.export(conversation)
    return json.dumps(tables, ensure_ascii=False, default=str, indent=1) if any(tables.values()) else None


def _erase(repository: Repository, conversation: str) -> str | None:
    counts = repository.forget(conversation)
    return json.dumps(counts) if any(counts.values()) else None
