"""Backups: every row as JSON lines with a manifest, in one picture of the database taken while it is in use.

Not the database's own dump: the same file restores into SQLite and PostgreSQL of any version, and needs no client
program. Rows are sealed in it as they are in the database, and its keys are not in it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import DateTime, LargeBinary, MetaData, func, select, text

from ._errors import StoreError

FORMAT = 1
MANIFEST = "manifest.json"
ROWS = 500
# Kept by the migrations themselves.
VERSION_TABLE = "alembic_version"
# Rows that a new database has of its own.
OWN = ("installation",)


def write(connection: Any, kind: str, file: Path, schema: str | None) -> dict[str, Any]:
    """Write every row that `connection` sees to the new `file`, and return its manifest; raises StoreError.

    `kind` is "data" or "keys", `schema` the version of the tables. An existing file is not overwritten.
    """
    if file.exists():
        raise StoreError(f"{file}: exists already; allowed: the name of a new file")
    tables = _tables(connection)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "kind": kind,
        "schema": schema,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "tables": {},
    }
    aside = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as raw:
            with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for table in tables:
                    with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as member:
                        manifest["tables"][table.name] = _write_rows(connection, table, member)
                archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
            raw.flush()
            os.fsync(raw.fileno())
        aside.rename(file)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise StoreError(f"{file}: the backup cannot be written ({error.strerror})") from None
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return manifest


def checked_manifest(file: Path, kind: str) -> dict[str, Any]:
    """Return the manifest of a backup whose every byte and row is there; raises StoreError, naming what is wrong."""
    try:
        with zipfile.ZipFile(file) as archive:
            manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
            if manifest.get("format") != FORMAT or manifest.get("kind") != kind:
                known = f"format {manifest.get('format')}, kind {manifest.get('kind')!r}"
                raise StoreError(f"{file}: is a backup of {known}; allowed: format {FORMAT}, kind {kind!r}")
            for name, expected in manifest["tables"].items():
                found = hashlib.sha256()
                rows = 0
                with archive.open(f"{name}.jsonl") as member:
                    for line in member:
                        found.update(line)
                        rows += 1
                if (rows, found.hexdigest()) != (expected["rows"], expected["sha256"]):
                    raise StoreError(f"{file}: table {name} is not as it was written: the backup is damaged")
    except OSError as error:
        raise StoreError(f"{file}: the backup cannot be read ({error.strerror})") from None
    except (zipfile.BadZipFile, KeyError, TypeError, AttributeError, ValueError, EOFError):
        raise StoreError(f"{file}: is not a whole backup of Plateau's") from None
    return manifest


def installation_of(file: Path, manifest: dict[str, Any]) -> str | None:
    """Return whose backup it is; None for one of a version before there were keys."""
    if "installation" not in manifest["tables"]:
        return None
    with zipfile.ZipFile(file) as archive:
        return str(json.loads(archive.read("installation.jsonl"))[0])


def filled(connection: Any) -> list[str]:
    """Return the tables that hold rows other than those of a new database."""
    return [
        table.name
        for table in _tables(connection)
        if table.name not in OWN and connection.execute(select(func.count()).select_from(table)).scalar_one()
    ]


def load(connection: Any, file: Path, manifest: dict[str, Any]) -> None:
    """Put the rows of a checked backup into the empty tables; raises StoreError when a table does not fit."""
    tables = {table.name: table for table in _tables(connection)}
    if missing := sorted(set(manifest["tables"]) ^ set(tables)):
        raise StoreError(f"{file}: the tables differ: {', '.join(missing)}")
    with zipfile.ZipFile(file) as archive:
        for table in tables.values():
            columns = [table.c[name] for name in manifest["tables"][table.name]["columns"]]
            if table.name in OWN:
                connection.execute(table.delete())
            with archive.open(f"{table.name}.jsonl") as member:
                for rows in _batches(member):
                    connection.execute(table.insert(), [_read_row(connection, columns, row) for row in rows])
            _move_sequence(connection, table)
            found = connection.execute(select(func.count()).select_from(table)).scalar_one()
            if found != manifest["tables"][table.name]["rows"]:
                raise StoreError(f"{file}: table {table.name} has {found} rows after it was restored")


def _tables(connection: Any) -> list[Any]:
    """Return the tables, parents before children."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != VERSION_TABLE]


def _write_rows(connection: Any, table: Any, member: Any) -> dict[str, Any]:
    told, rows = hashlib.sha256(), 0
    ordered = select(table).order_by(*table.primary_key).execution_options(stream_results=True)
    for row in connection.execute(ordered).yield_per(ROWS):
        line = json.dumps([_plain(cell) for cell in row], separators=(",", ":")).encode() + b"\n"
        member.write(line)
        told.update(line)
        rows += 1
    return {"rows": rows, "sha256": told.hexdigest(), "columns": [column.name for column in table.c]}


def _plain(cell: Any) -> Any:
    if isinstance(cell, bytes | memoryview):
        return base64.b64encode(cell).decode()
    if isinstance(cell, datetime):
        return (cell.replace(tzinfo=UTC) if cell.tzinfo is None else cell.astimezone(UTC)).isoformat()
    return cell


def _read_row(connection: Any, columns: list[Any], cells: list[Any]) -> dict[str, Any]:
    return {column.name: _cell(connection, column, cell) for column, cell in zip(columns, cells, strict=True)}


def _cell(connection: Any, column: Any, cell: Any) -> Any:
    if cell is None:
        return None
    if isinstance(column.type, LargeBinary):
        return base64.b64decode(cell)
    if isinstance(column.type, DateTime):
        at = datetime.fromisoformat(cell)
        return at.replace(tzinfo=None) if connection.dialect.name == "sqlite" else at
    return cell


def _batches(lines: Iterable[bytes]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for line in lines:
        batch.append(json.loads(line))
        if len(batch) == ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _move_sequence(connection: Any, table: Any) -> None:
    """Let PostgreSQL number new rows after those that brought their numbers along."""
    if connection.dialect.name != "postgresql" or "id" not in table.c:
        return
    named = connection.execute(text("SELECT pg_get_serial_sequence(:name, 'id')"), {"name": table.name}).scalar_one()
    if named:
        last = select(func.coalesce(func.max(table.c.id), 0) + 1).scalar_subquery()
        connection.execute(select(func.setval(named, last, False)))
