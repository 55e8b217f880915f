"""Releases and the steps that made them.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "releases",
        sa.Column("dataset", sa.String(80), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("content_sha256", sa.String(64), nullable=False),
        sa.Column("source_sha256", sa.String(64), nullable=False),
        sa.Column("source_name", sa.String(255), nullable=False),
        sa.Column("reserved_at", sa.DateTime, nullable=False),
        sa.Column("visible_at", sa.DateTime, nullable=True),
        sa.Column("manifest", sa.JSON, nullable=True),
    )
    op.create_table(
        "steps",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("dataset", sa.String(80), nullable=False, index=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("step", sa.String(20), nullable=False),
        sa.Column("done_at", sa.DateTime, nullable=False),
        sa.Column("result", sa.String(400), nullable=False, server_default=""),
    )


def downgrade() -> None:
    op.drop_table("steps")
    op.drop_table("releases")
