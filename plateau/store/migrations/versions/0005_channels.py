"""Messengers: where patients are reached, what was taken, what waits to be sent, what the staff should see."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.String(255)
TIME = sa.DateTime(timezone=True)
ROW = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Apply this version."""
    op.add_column("conversations", sa.Column("staff_since", TIME))
    op.create_table(
        "contacts",
        sa.Column("digest", ID, nullable=False),
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("channel", ID, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("last_order", sa.BigInteger),
        sa.Column("stopped_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_contacts"),
        sa.UniqueConstraint("conversation_id", name="uq_contacts_conversation_id"),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_contacts_conversation_id"),
    )
    op.create_table(
        "seen",
        sa.Column("digest", ID, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_seen"),
    )
    op.create_index("ix_seen_expires_at", "seen", ["expires_at"])
    op.create_table(
        "outbox",
        sa.Column("id", ROW, nullable=False),
        sa.Column("key", ID, nullable=False),
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("kind", ID, nullable=False),
        sa.Column("target", ID, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("state", ID, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("parts", sa.Integer, nullable=False),
        sa.Column("ordered", sa.Boolean, nullable=False),
        sa.Column("problem", ID),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("taken_until", TIME),
        sa.Column("sent_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("key", name="uq_outbox_key"),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_outbox_conversation_id"),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'given_up')", name="ck_outbox_state"),
    )
    op.create_index("ix_outbox_conversation_id_target_state", "outbox", ["conversation_id", "target", "state"])
    op.create_index("ix_outbox_state_due_at", "outbox", ["state", "due_at"])
    op.create_table(
        "notices",
        sa.Column("id", ROW, nullable=False),
        sa.Column("key", ID, nullable=False),
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("kind", ID, nullable=False),
        sa.Column("urgency", sa.Integer, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("opened_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sa.UniqueConstraint("key", name="uq_notices_key"),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_notices_conversation_id"),
    )
    op.create_index("ix_notices_conversation_id", "notices", ["conversation_id"])
    op.create_index("ix_notices_opened_at_urgency_created_at", "notices", ["opened_at", "urgency", "created_at"])


def downgrade() -> None:
    """Undo it: what waits to be sent is lost, and patients are reached no more."""
    for table in ("notices", "outbox", "seen", "contacts"):
        op.drop_table(table)
    with op.batch_alter_table("conversations") as conversations:
        conversations.drop_column("staff_since")
