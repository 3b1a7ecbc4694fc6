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
        ("erase", "delete everything stored of a conversation's patient", _erase),
    ):
        parser = subparsers.add_parser(name, help=text)
        parser.add_argument("id", metavar="ID", help="the conversation's id")
        parser.set_defaults(run=_runner(name, act))
        if name == "export":
            parser.add_argument(
                "--fhir", action="store_true", help="the latest finished re-evaluation as a FHIR R4 Bundle"
            )


def _runner(name: str, act: Callable[[Repository, str], str | None]) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        from plateau.store import Repository, StoreError

        fhir = getattr(options, "fhir", False)
        try:
            database = open_database()
            with database.transaction() as session:
                repository = Repository(session)
                text = (_fhir if fhir else act)(repository, options.id)
                if text is not None and name != "erase":
                    # Whoever reads a patient's data leaves a trace; an erasure leaves its own.
                    repository.audit(name, options.id, **({"as": "fhir"} if fhir else {}))
            # What was erased must not live on in the database's log.
            database.scrub()
            database.close()
        except StoreError as error:
            print(f"plateau {name}: {error}", file=sys.stderr)
            return 2
        if text is None:
            missing = "finished re-evaluation in conversation" if fhir else "conversation"
            print(f"plateau {name}: there is no {missing} {options.id!r}", file=sys.stderr)
            return 1
        print(text)
        return 0

    return run


def open_database() -> Database:
    """Return the database that the environment names, brought to the newest schema; raises StoreError."""
    database = named_database()
    database.upgrade()
    return database


def named_database() -> Database:
    """Return the database that the environment names, as it is; raises StoreError."""
    from plateau.server._settings import Settings
    from plateau.store import Database

    settings = Settings.from_environment()
    return Database(settings.database) if settings.database else Database.in_folder(settings.data)


def _report(repository: Repository, conversation: str) -> str | None:
    from plateau.content import clinic, clinic_words
    from plateau.escalation import signed
    from plateau.report import place_of, summary, summary_text
    from plateau.server._visits import visits_until

    row = repository.reevaluation(conversation)
    if row is None:
        return None
    words = clinic_words()
    visits = visits_until(repository, row)
    if not visits:
        return words.get("page.no_plan_yet")
    place = place_of(clinic(), row.answers.get("country"), signed())
    return "\n".join(summary_text(summary(visits, place, words)))


def _export(repository: Repository, conversation: str) -> str | None:
    tables = repository.export(conversation)
    return json.dumps(tables, ensure_ascii=False, default=str, indent=1) if any(tables.values()) else None


def _fhir(repository: Repository, conversation: str) -> str | None:
    from plateau.content import clinic_words
    from plateau.server._visits import bundle_of, visits_until

    latest = repository.reevaluation(conversation)
    runs = range(latest.run if latest else 0, 0, -1)
    row = next((row for run in runs if (row := repository.reevaluation(conversation, run)) and row.finished_at), None)
    visits = visits_until(repository, row) if row else []
    if row is None or not visits:
        return None
    return json.dumps(bundle_of(row, visits, clinic_words()), ensure_ascii=False, indent=1)


def _erase(repository: Repository, conversation: str) -> str | None:
    counts = repository.forget_patient_of(conversation)
    return json.dumps(counts) if any(counts.values()) else None
