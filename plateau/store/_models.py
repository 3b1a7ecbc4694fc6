"""The tables. Ids are opaque: no name, number or address of a patient is ever a key.

A column `sealed` holds JSON under its conversation's data key, bound to its row (`_sealing.py`): what patients say,
answer or are told is in no other column.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.orm import registry

from ._columns import Identifier, JsonText, UtcDateTime

CONSENT_STATES = ("pending", "given", "declined", "withdrawn")
LINK_KINDS = ("plan", "summary")
LETTER_STATES = ("waiting", "sent", "given_up")

mapper = registry(
    metadata=MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
)
metadata = mapper.metadata


@mapper.mapped
class Patient:
    """Someone who comes back: the conversations that are known to be theirs share this row."""

    __tablename__ = "patients"

    id = Column(Identifier, primary_key=True)
    created_at = Column(UtcDateTime, nullable=False)


@mapper.mapped
class Code:
    """What lets a patient come back: the digest of their code, never the code; one patient has one at most."""

    __tablename__ = "codes"
    __table_args__ = (UniqueConstraint("patient_id"),)

    digest = Column(Identifier, primary_key=True)
    patient_id = Column(Identifier, ForeignKey("patients.id"), nullable=False)
    created_at = Column(UtcDateTime, nullable=False)
    expires_at = Column(UtcDateTime, nullable=False, index=True)


@mapper.mapped
class Conversation:
    """One conversation; `id` is Rasa's sender id.

    `version` counts the stored events: a turn is only saved onto the version it was computed from.
    `session_seq` is the `seq` of the event that began the latest session. `key_id` names its data key in the key store.
    `staff_since` is set while a person of the clinic writes with the patient, and the dialogue is silent.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        CheckConstraint(f"consent_state IN {CONSENT_STATES}", name="consent_state"),
        # The literal (not a bound value) lets SQLite prove that a query fits the partial index.
        Index(
            "ix_conversations_unconsented",
            "updated_at",
            sqlite_where=literal_column("consent_state != 'given'"),
            postgresql_where=literal_column("consent_state != 'given'"),
        ),
        Index(
            "ix_conversations_consented",
            "updated_at",
            sqlite_where=literal_column("consent_state = 'given'"),
            postgresql_where=literal_column("consent_state = 'given'"),
        ),
    )

    id = Column(Identifier, primary_key=True)
    key_id = Column(Identifier, nullable=False)
    patient_id = Column(Identifier, ForeignKey("patients.id"), index=True)
    consent_state = Column(Identifier, nullable=False)
    consent_version = Column(Identifier)
    consent_at = Column(UtcDateTime)
    version = Column(Integer, nullable=False)
    session_seq = Column(Integer, nullable=False)
    staff_since = Column(UtcDateTime)
    created_at = Column(UtcDateTime, nullable=False)
    updated_at = Column(UtcDateTime, nullable=False)


@mapper.mapped
class Link:
    """What opens one page of one run without a conversation: the digest of the link's secret, never the secret."""

    __tablename__ = "links"
    __table_args__ = (CheckConstraint(f"kind IN {LINK_KINDS}", name="kind"),)

    digest = Column(Identifier, primary_key=True)
    conversation_id = Column(Identifier, ForeignKey("conversations.id"), nullable=False, index=True)
    run = Column(Integer, nullable=False)
    kind = Column(Identifier, nullable=False)
    created_at = Column(UtcDateTime, nullable=False)
    expires_at = Column(UtcDateTime, nullable=False, index=True)


@mapper.mapped
class Event:
    """The Rasa events saved together, `count` of them from number `seq` on: a sealed list of dictionaries."""

    __tablename__ = "events"

    conversation_id = Column(Identifier, ForeignKey("conversations.id"), primary_key=True)
    seq = Column(Integer, primary_key=True, autoincrement=False)
    count = Column(Integer, nullable=False)
    sealed = Column(LargeBinary, nullable=False)


@mapper.mapped
class Reevaluation:
    """One run of the re-evaluation within a conversation; finished once it has a plan."""

    __tablename__ = "reevaluations"
    __table_args__ = (
        UniqueConstraint("conversation_id", "run"),
        Index(None, "patient_id", "finished_at"),
    )

    id = Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    patient_id = Column(Identifier, ForeignKey("patients.id"))
    conversation_id = Column(Identifier, ForeignKey("conversations.id"), nullable=False)
    run = Column(Integer, nullable=False)
    started_at = Column(UtcDateTime, nullable=False)
    finished_at = Column(UtcDateTime)


@mapper.mapped
class Answer:
    """The answer to one question of the answer record: sealed [answer, the patient's own words for it or null]."""

    __tablename__ = "answers"

    reevaluation_id = Column(ForeignKey("reevaluations.id"), primary_key=True)
    question = Column(Identifier, primary_key=True)
    sealed = Column(LargeBinary, nullable=False)


@mapper.mapped
class Finding:
    """One rule that fired, in the plan's order: sealed {rule, because, source}."""

    __tablename__ = "findings"

    reevaluation_id = Column(ForeignKey("reevaluations.id"), primary_key=True)
    position = Column(Integer, primary_key=True, autoincrement=False)
    sealed = Column(LargeBinary, nullable=False)


@mapper.mapped
class Plan:
    """The assessment a re-evaluation ended with, whole, and the version of the rules that made it."""

    __tablename__ = "plans"

    reevaluation_id = Column(ForeignKey("reevaluations.id"), primary_key=True)
    sealed = Column(LargeBinary, nullable=False)
    rules_version = Column(Identifier)
    created_at = Column(UtcDateTime, nullable=False)


@mapper.mapped
class Turn:
    """The reply to one message of a patient, kept so that the same message sent again gets the same reply.

    `version` is the conversation's when it was given, which puts the replies in order.
    """

    __tablename__ = "turns"

    conversation_id = Column(Identifier, ForeignKey("conversations.id"), primary_key=True)
    client_message_id = Column(Identifier, primary_key=True)
    version = Column(Integer, nullable=False)
    sealed = Column(LargeBinary, nullable=False)
    created_at = Column(UtcDateTime, nullable=False)


@mapper.mapped
class Waiting:
    """A message that was received and has no reply yet: committed before the dialogue sees it, deleted with its reply.

    `id` puts a conversation's messages in order; `attempts` counts how often an answer was begun.
    """

    __tablename__ = "inbox"
    __table_args__ = (UniqueConstraint("conversation_id", "client_message_id"),)

    id = Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    conversation_id = Column(Identifier, ForeignKey("conversations.id"), nullable=False)
    client_message_id = Column(Identifier, nullable=False)
    sealed = Column(LargeBinary, nullable=False)
    attempts = Column(Integer, nullable=False)
    received_at = Column(UtcDateTime, nullable=False, index=True)


@mapper.mapped
class Contact:
    """Where a conversation's patient is reached on a messenger: the digest of the address, and the address sealed.

    `last_order` is the platform's number of the latest message; `stopped_at` is set while the patient wants none.
    """

    __tablename__ = "contacts"
    __table_args__ = (UniqueConstraint("conversation_id"),)

    digest = Column(Identifier, primary_key=True)
    conversation_id = Column(Identifier, ForeignKey("conversations.id"), nullable=False)
    channel = Column(Identifier, nullable=False)
    sealed = Column(LargeBinary, nullable=False)
    last_order = Column(BigInteger)
    stopped_at = Column(UtcDateTime)
    created_at = Column(UtcDateTime, nullable=False)


@mapper.mapped
class Seen:
    """The digest of a platform's id of a message that was taken, so that it is taken once only."""

    __tablename__ = "seen"

    digest = Column(Identifier, primary_key=True)
    expires_at = Column(UtcDateTime, nullable=False, index=True)


@mapper.mapped
class Letter:
    """Something to be sent to `target`: written with what caused it, sent after, tried again until it is taken.

    `sealed` says what; `key` makes it one letter however often it is written. `parts` counts the messages of it that
    were taken. `ordered` has it wait for those before it. `taken_until` keeps other workers from sending it meanwhile.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint(f"state IN {LETTER_STATES}", name="state"),
        UniqueConstraint("key"),
        Index(None, "conversation_id", "target", "state"),
        Index(None, "state", "due_at"),
    )

    id = Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    key = Column(Identifier, nullable=False)
    conversation_id = Column(Identifier, ForeignKey("conversations.id"), nullable=False)
    kind = Column(Identifier, nullable=False)
    target = Column(Identifier, nullable=False)
    sealed = Column(LargeBinary, nullable=False)
    state = Column(Identifier, nullable=False)
    attempts = Column(Integer, nullable=False)
    parts = Column(Integer, nullable=False)
    ordered = Column(Boolean, nullable=False)
    problem = Column(Identifier)
    created_at = Column(UtcDateTime, nullable=False)
    due_at = Column(UtcDateTime, nullable=False)
    taken_until = Column(UtcDateTime)
    sent_at = Column(UtcDateTime)


@mapper.mapped
class Notice:
    """Something the clinic's staff should see: a summary sent, a person asked for, a red flag; `urgency` 0 comes first.

    `sealed` holds what it is about; `opened_at` is when somebody first looked.
    """

    __tablename__ = "notices"
    __table_args__ = (UniqueConstraint("key"), Index(None, "opened_at", "urgency", "created_at"))

    id = Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    key = Column(Identifier, nullable=False)
    conversation_id = Column(Identifier, ForeignKey("conversations.id"), nullable=False, index=True)
    kind = Column(Identifier, nullable=False)
    urgency = Column(Integer, nullable=False)
    sealed = Column(LargeBinary, nullable=False)
    created_at = Column(UtcDateTime, nullable=False)
    opened_at = Column(UtcDateTime)


@mapper.mapped
class Installation:
    """The one row that says which key store belongs to this database."""

    __tablename__ = "installation"

    id = Column(Identifier, primary_key=True)


@mapper.mapped
class Erasure:
    """A key to destroy: its rows are gone already. Empty but for the moment in between, or after a crash in it."""

    __tablename__ = "erasures"

    key_id = Column(Identifier, primary_key=True)


@mapper.mapped
class Audit:
    """One entry of the audit trail, chained to the one before by `link`; triggers refuse to change or delete it.

    `subject` is a pseudonym made with the conversation's key: once that is destroyed, nobody can tell whose it is.
    """

    __tablename__ = "audit"

    seq = Column(Integer, primary_key=True, autoincrement=False)
    at = Column(UtcDateTime, nullable=False)
    kind = Column(Identifier, nullable=False)
    subject = Column(Identifier, index=True)
    detail = Column(JsonText, nullable=False)
    link = Column(LargeBinary, nullable=False)
