"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(255)
TIME = sa.DateTime(timezone=True)
ROW = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "patients",
        sa.Column("id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_patients"),
    )
    op.create_table(
        "conversations",
        sa.Column("id", ID, nullable=False),
        sa.Column("patient_id", ID),
        sa.Column("consent_state", ID, nullable=False),
        sa.Column("consent_version", ID),
        sa.Column("consent_at", TIME),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("session_seq", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name="fk_conversations_patient_id"),
        sa.CheckConstraint(
            "consent_state IN ('pending', 'given', 'declined', 'withdrawn')", name="ck_conversations_consent_state"
        ),
    )
    op.create_index("ix_conversations_patient_id", "conversations", ["patient_id"])
    unconsented = sa.literal_column("consent_state != 'given'")
    op.create_index(
        "ix_conversations_unconsented",
        "conversations",
        ["updated_at"],
        sqlite_where=unconsented,
        postgresql_where=unconsented,
    )
    op.create_table(
        "events",
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("type", ID, nullable=False),
        sa.Column("timestamp", TIME, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "seq", name="pk_events"),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_events_conversation_id"),
    )
    op.create_table(
        "reevaluations",
        sa.Column("id", ROW, nullable=False),
        sa.Column("patient_id", ID),
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("finished_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_reevaluations"),
        sa.UniqueConstraint("conversation_id", "run", name="uq_reevaluations_conversation_id_run"),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name="fk_reevaluations_patient_id"),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_reevaluations_conversation_id"),
    )
    op.create_index("ix_reevaluations_patient_id_finished_at", "reevaluations", ["patient_id", "finished_at"])
    op.create_table(
        "answers",
        sa.Column("reevaluation_id", ROW, nullable=False),
        sa.Column("question", ID, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("reevaluation_id", "question", name="pk_answers"),
        sa.ForeignKeyConstraint(["reevaluation_id"], ["reevaluations.id"], name="fk_answers_reevaluation_id"),
    )
    op.create_table(
        "findings",
        sa.Column("reevaluation_id", ROW, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("rule", ID, nullable=False),
        sa.Column("because", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("reevaluation_id", "position", name="pk_findings"),
        sa.ForeignKeyConstraint(["reevaluation_id"], ["reevaluations.id"], name="fk_findings_reevaluation_id"),
    )
    op.create_table(
        "plans",
        sa.Column("reevaluation_id", ROW, nullable=False, autoincrement=False),
        sa.Column("assessment", sa.Text, nullable=False),
        sa.Column("rules_version", ID),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("reevaluation_id", name="pk_plans"),
        sa.ForeignKeyConstraint(["reevaluation_id"], ["reevaluations.id"], name="fk_plans_reevaluation_id"),
    )
    op.create_table(
        "turns",
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("client_message_id", ID, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("reply", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "client_message_id", name="pk_turns"),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_turns_conversation_id"),
    )


def downgrade() -> None:
    """Drop every table, children first."""
    for table in ("turns", "plans", "findings", "answers", "reevaluations", "events", "conversations", "patients"):
        op.drop_table(table)
