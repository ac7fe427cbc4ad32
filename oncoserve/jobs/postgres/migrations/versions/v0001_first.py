"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("parameters", sa.String, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("updated", sa.Float, nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
        sa.Column("swept", sa.Integer, nullable=False),
    )
    op.create_index("jobs_of_owner", "jobs", ["owner", "created", "id"])
    op.create_index("jobs_by_expiry", "jobs", ["swept", "expires"])
    op.create_table(
        "images",
        sa.Column("job_id", sa.String, primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("object", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("outcome", sa.String),
    )
    op.create_index("images_by_state", "images", ["job_id", "state"])
    op.create_table(
        "messages",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("job_id", sa.String, nullable=False),
        sa.Column("body", sa.String, nullable=False),
        sa.Column("visible", sa.Float, nullable=False),
        sa.Column("deliveries", sa.Integer, nullable=False),
        sa.Column("receipt", sa.String),
    )
    op.create_index("messages_to_receive", "messages", ["model", "visible", "id"])
    op.create_index("messages_of_job", "messages", ["job_id"])
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("body", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("buried", sa.Float, nullable=False),
    )
    op.create_index("dead_letters_by_time", "dead_letters", ["buried"])
