"""Add the state of each version at its push targets: the last attempt, and what the target has.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pushes",
        sa.Column("dataset", sa.String(80), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("target", sa.String(300), primary_key=True),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("begun_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime, nullable=True),
        sa.Column("result", sa.String(20), nullable=True),
        sa.Column("is_held", sa.Boolean, nullable=False),
        sa.Column("held_at", sa.DateTime, nullable=True),
        sa.Column("problem", sa.String(40), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("pushes")
