"""Alembic's entry: runs the migrations on the connection that `Database` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from plateau.store._models import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
