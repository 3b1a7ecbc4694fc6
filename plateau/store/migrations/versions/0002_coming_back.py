"""Codes to come back with, links to a plan or a summary, the patient's own words, and how long all of it stays."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.String(255)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply this version."""
    op.create_table(
        "codes",
        sa.Column("digest", ID, nullable=False),
        sa.Column("patient_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_codes"),
        sa.UniqueConstraint("patient_id", name="uq_codes_patient_id"),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name="fk_codes_patient_id"),
    )
    op.create_index("ix_codes_expires_at", "codes", ["expires_at"])
    op.create_table(
        "links",
        sa.Column("digest", ID, nullable=False),
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("kind", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_links"),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_links_conversation_id"),
        sa.CheckConstraint("kind IN ('plan', 'summary')", name="ck_links_kind"),
    )
    op.create_index("ix_links_conversation_id", "links", ["conversation_id"])
    op.create_index("ix_links_expires_at", "links", ["expires_at"])
    op.add_column("answers", sa.Column("said", sa.Text))
    consented = sa.literal_column("consent_state = 'given'")
    op.create_index(
        "ix_conversations_consented",
        "conversations",
        ["updated_at"],
        sqlite_where=consented,
        postgresql_where=consented,
    )


def downgrade() -> None:
    """Undo it: codes, links and words are lost, the answers stay."""
    op.drop_index("ix_conversations_consented", "conversations")
    with op.batch_alter_table("answers") as answers:
        answers.drop_column("said")
    op.drop_table("links")
    op.drop_table("codes")
