"""What patients say, answer or are told is sealed; events are kept as they are saved, a turn at a time; an audit trail.

The tables are written anew and the old ones dropped: a column that is only dropped, or a row that is only updated,
stays readable in PostgreSQL's files.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.String(255)
TIME = sa.DateTime(timezone=True)
ROW = sa.BigInteger().with_variant(sa.Integer, "sqlite")
# So many at once, conversations and events in a row.
PAGE = 200
BATCH = 50
UNIQUE = "uq_inbox_conversation_id_client_message_id"
WORDS = {"plans": "assessment", "turns": "reply", "inbox": "message"}
REFUSING = "plateau_audit_refuses"
PARTIAL = {
    "ix_conversations_unconsented": "consent_state != 'given'",
    "ix_conversations_consented": "consent_state = 'given'",
}

Row = dict[str, Any]
Convert = Callable[[Any, str, str, list[Row]], Iterable[Row]]


def upgrade() -> None:
    """Seal what is there, with a new data key for each conversation."""
    connection, vault = op.get_bind(), op.get_context().config.attributes["vault"]
    op.create_table(
        "installation", sa.Column("id", ID, nullable=False), sa.PrimaryKeyConstraint("id", name="pk_installation")
    )
    # A fresh database beside a key store that has been used, as before a restore, takes the name that is there.
    name = vault.owner() or secrets.token_hex(16)
    vault.bind(name)
    connection.execute(sa.text("INSERT INTO installation (id) VALUES (:id)"), {"id": name})
    op.create_table(
        "erasures", sa.Column("key_id", ID, nullable=False), sa.PrimaryKeyConstraint("key_id", name="pk_erasures")
    )
    op.add_column("conversations", sa.Column("key_id", ID))
    made: list[str] = []

    def new_keys(conversations: list[str]) -> Iterator[Any]:
        keys = vault.create_many(len(conversations))
        made.extend(key_id for key_id, _ in keys)
        for conversation, (key_id, key) in zip(conversations, keys, strict=True):
            named = CONVERSATIONS.update().where(CONVERSATIONS.c.id == conversation)
            connection.execute(named.values(key_id=key_id))
            yield conversation, key

    try:
        _rewrite(connection, new_keys, sealed=True)
        _with_key_id(lambda table: table.alter_column("key_id", existing_type=ID, nullable=False))
        _make_audit(connection.dialect.name)
    except BaseException:
        vault.destroy(made)
        raise


def downgrade() -> None:
    """Undo it: all can be read again by whoever reads the database, and the audit trail is lost."""
    connection, vault = op.get_bind(), op.get_context().config.attributes["vault"]
    op.drop_table("audit")
    if connection.dialect.name == "postgresql":
        op.execute(f"DROP FUNCTION {REFUSING}()")

    def their_keys(conversations: list[str]) -> Iterator[Any]:
        found = sa.select(CONVERSATIONS.c.id, CONVERSATIONS.c.key_id).where(CONVERSATIONS.c.id.in_(conversations))
        for conversation, key_id in connection.execute(found).all():
            if (key := vault.key(key_id)) is not None:
                yield conversation, key

    _rewrite(connection, their_keys, sealed=False)
    _with_key_id(lambda table: table.drop_column("key_id"))
    op.drop_table("erasures")
    op.drop_table("installation")


def _rewrite(connection: Any, keys: Callable[[list[str]], Iterator[Any]], *, sealed: bool) -> None:
    """Write the tables anew, sealed or in clear, conversation by conversation, and drop the old ones."""
    postgresql = connection.dialect.name == "postgresql"
    # Names that the new table takes over.
    op.drop_index("ix_inbox_received_at", "inbox")
    if postgresql:
        op.drop_constraint(UNIQUE, "inbox")
    for name in TABLES:
        op.rename_table(name, f"old_{name}")
        if postgresql:
            op.execute(f"ALTER TABLE old_{name} RENAME CONSTRAINT pk_{name} TO pk_old_{name}")
        op.create_table(name, *_columns(name, sealed=sealed), *_constraints(name))
    last = ""
    page = sa.select(CONVERSATIONS.c.id).order_by(CONVERSATIONS.c.id).limit(PAGE)
    while ids := list(connection.execute(page.where(CONVERSATIONS.c.id > last)).scalars()):
        for conversation, key in keys(ids):
            for name in TABLES:
                rows = _old_rows(connection, name, conversation, sealed=not sealed)
                written = list((_sealed if sealed else _opened)(key, conversation, name, rows))
                if written:
                    connection.execute(sa.Table(name, sa.MetaData(), *_columns(name, sealed=sealed)).insert(), written)
        last = ids[-1]
    for name in TABLES:
        op.drop_table(f"old_{name}")
    op.create_index("ix_inbox_received_at", "inbox", ["received_at"])
    if postgresql:
        # The rows brought their numbers along; the next message must come after them.
        last_one = "(SELECT coalesce(max(id), 0) + 1 FROM inbox)"
        op.execute(f"SELECT setval(pg_get_serial_sequence('inbox', 'id'), {last_one}, false)")


def _old_rows(connection: Any, name: str, conversation: str, *, sealed: bool) -> list[Row]:
    old = sa.Table(f"old_{name}", sa.MetaData(), *_columns(name, sealed=sealed))
    if "conversation_id" in old.c:
        found = sa.select(old).where(old.c.conversation_id == conversation)
    else:
        runs = sa.select(RUNS.c.id).where(RUNS.c.conversation_id == conversation)
        found = sa.select(old).where(old.c.reevaluation_id.in_(runs))
    return [dict(row) for row in connection.execute(found.order_by(*list(old.c)[:2])).mappings()]


# From one form into the other; the places are those of plateau/store/_repository.py


def _sealed(key: Any, conversation: str, name: str, rows: list[Row]) -> Iterator[Row]:
    if name == "events":
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            seq, events = batch[0]["seq"], [json.loads(row["data"]) for row in batch]
            sealed = key.seal(events, name, conversation, seq, len(batch))
            yield {"conversation_id": conversation, "seq": seq, "count": len(batch), "sealed": sealed}
        return
    for row in rows:
        value: Any
        if name == "answers":
            said = row.pop("said")
            value = [json.loads(row.pop("value")), None if said is None else json.loads(said)]
        elif name == "findings":
            value = {"rule": row.pop("rule"), **{part: json.loads(row.pop(part)) for part in ("because", "source")}}
        else:
            value = json.loads(row.pop(WORDS[name]))
        yield {**row, "sealed": key.seal(value, *_place(name, conversation, row))}


def _opened(key: Any, conversation: str, name: str, rows: list[Row]) -> Iterator[Row]:
    for row in rows:
        if name == "events":
            events = key.open(row["sealed"], name, conversation, row["seq"], row["count"])
            for number, event in enumerate(events, start=row["seq"]):
                at = datetime.fromtimestamp(event.get("timestamp", 0), UTC)
                told = {"type": event["event"], "timestamp": at, "data": _json(event)}
                yield {"conversation_id": conversation, "seq": number, **told}
            continue
        value = key.open(row.pop("sealed"), *_place(name, conversation, row))
        if name == "answers":
            answer, said = value
            yield {**row, "value": _json(answer), "said": None if said is None else _json(said)}
        elif name == "findings":
            yield {**row, "rule": value["rule"], "because": _json(value["because"]), "source": _json(value["source"])}
        else:
            yield {**row, WORDS[name]: _json(value)}


def _place(name: str, conversation: str, row: Row) -> tuple[Any, ...]:
    if name in ("turns", "inbox"):
        return (name, conversation, row["client_message_id"])
    own = {"answers": ("question",), "findings": ("position",), "plans": ()}[name]
    return (name, conversation, row["reevaluation_id"], *(row[column] for column in own))


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


# The tables, in both forms

CONVERSATIONS = sa.table("conversations", sa.column("id", ID), sa.column("key_id", ID))
RUNS = sa.table("reevaluations", sa.column("id", ROW), sa.column("conversation_id", ID))
TABLES = ("events", "answers", "findings", "plans", "turns", "inbox")


def _columns(name: str, *, sealed: bool) -> list[Any]:
    """Return the columns of a table; its key comes first."""
    run, conversation = ("reevaluation_id", ROW), ("conversation_id", ID)
    first = {
        "events": [conversation, ("seq", sa.Integer)],
        "answers": [run, ("question", ID)],
        "findings": [run, ("position", sa.Integer)],
        "plans": [run],
        "turns": [conversation, ("client_message_id", ID), ("version", sa.Integer)],
        "inbox": [("id", ROW), conversation, ("client_message_id", ID)],
    }[name]
    in_clear = {
        "events": [("type", ID), ("timestamp", TIME), ("data", sa.Text)],
        "answers": [("value", sa.Text)],
        "findings": [("rule", ID), ("because", sa.Text), ("source", sa.Text)],
        "plans": [("assessment", sa.Text)],
        "turns": [("reply", sa.Text)],
        "inbox": [("message", sa.Text)],
    }[name]
    instead = [*([("count", sa.Integer)] if name == "events" else []), ("sealed", sa.LargeBinary)]
    last = {
        "plans": [("created_at", TIME)],
        "turns": [("created_at", TIME)],
        "inbox": [("attempts", sa.Integer), ("received_at", TIME)],
    }.get(name, [])
    made = [
        sa.Column(column, kind, nullable=False, autoincrement="auto" if name == "inbox" else False)
        for column, kind in [*first, *(instead if sealed else in_clear), *last]
    ]
    if name == "plans":
        made.insert(2, sa.Column("rules_version", ID))
    if name == "answers" and not sealed:
        made.append(sa.Column("said", sa.Text))
    return made


def _constraints(name: str) -> list[Any]:
    key = {
        "events": ["conversation_id", "seq"],
        "answers": ["reevaluation_id", "question"],
        "findings": ["reevaluation_id", "position"],
        "plans": ["reevaluation_id"],
        "turns": ["conversation_id", "client_message_id"],
        "inbox": ["id"],
    }[name]
    if name == "inbox":
        return [
            sa.PrimaryKeyConstraint("id", name="pk_inbox"),
            sa.UniqueConstraint("conversation_id", "client_message_id", name=UNIQUE),
            sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_inbox_conversation_id"),
        ]
    whose = "conversations.id" if key[0] == "conversation_id" else "reevaluations.id"
    return [
        sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"),
        sa.ForeignKeyConstraint([key[0]], [whose], name=f"fk_{name}_{key[0]}"),
    ]


def _with_key_id(change: Callable[[Any], None]) -> None:
    """Change `conversations`; SQLite rebuilds the table, which would lose the conditions of its partial indexes."""
    for index in PARTIAL:
        op.drop_index(index, "conversations")
    with op.batch_alter_table("conversations") as table:
        change(table)
    for index, condition in PARTIAL.items():
        where = sa.literal_column(condition)
        op.create_index(index, "conversations", ["updated_at"], sqlite_where=where, postgresql_where=where)


def _make_audit(dialect: str) -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("kind", ID, nullable=False),
        sa.Column("subject", ID),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("link", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])
    if dialect == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_refuses_{act.lower()} BEFORE {act} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {REFUSING}() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_refuses BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {REFUSING}()"
    )
