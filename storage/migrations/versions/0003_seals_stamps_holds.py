"""Seals of occurrences, stamps and postings of checkpoints, legal holds."""

import sqlalchemy as sa
from alembic import op

from storage.types import UtcTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "delivery",
        sa.Column(
            "leaf",
            sa.LargeBinary(),
            nullable=True,
            comment="what the seal commits to; set once, at the end",
        ),
    )
    op.add_column(
        "occurrence",
        sa.Column(
            "seal_entry_id",
            sa.String(length=32),
            nullable=True,
            comment="the log entry that seals its deliveries",
        ),
    )
    op.create_index(
        "ix_occurrence_unsealed",
        "occurrence",
        ["ended_at"],
        sqlite_where=sa.text("seal_entry_id IS NULL"),
        postgresql_where=sa.text("seal_entry_id IS NULL"),
    )
    op.create_table(
        "stamp",
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column(
            "authority", sa.String(length=256), nullable=False, comment="the address that was asked"
        ),
        sa.Column(
            "note", sa.Text(), nullable=False, comment="the signed checkpoint that was stamped"
        ),
        sa.Column(
            "token", sa.LargeBinary(), nullable=False, comment="TimeStampToken, DER (RFC 3161)"
        ),
        sa.Column("stamped_at", UtcTime(), nullable=False, comment="the authority's clock"),
        sa.ForeignKeyConstraint(
            ["size"], ["checkpoint.size"], name=op.f("fk_stamp_size_checkpoint")
        ),
        sa.PrimaryKeyConstraint("size", "authority", name=op.f("pk_stamp")),
    )
    op.create_table(
        "posting",
        sa.Column(
            "channel",
            sa.String(length=64),
            nullable=False,
            comment="the public channel, as configured",
        ),
        sa.Column("message_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column(
            "note", sa.Text(), nullable=False, comment="the signed checkpoint that was posted"
        ),
        sa.Column("posted_at", UtcTime(), nullable=False, comment="Telegram's date of the message"),
        sa.PrimaryKeyConstraint("channel", "message_id", name=op.f("pk_posting")),
    )
    op.create_table(
        "legal_hold",
        sa.Column("subject_id", sa.String(length=32), nullable=False),
        sa.Column(
            "sealed", sa.LargeBinary(), nullable=False, comment="who, why; under the house key"
        ),
        sa.Column("placed_at", UtcTime(), nullable=False),
        sa.Column(
            "erasure_wanted_at",
            UtcTime(),
            nullable=True,
            comment="they asked for it while the hold stood",
        ),
        sa.Column(
            "never_again", sa.Boolean(), nullable=False, comment="and never to be written to again"
        ),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subject.id"], name=op.f("fk_legal_hold_subject_id_subject")
        ),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_legal_hold")),
    )


def downgrade() -> None:
    op.drop_table("legal_hold")
    op.drop_table("posting")
    op.drop_table("stamp")
    op.drop_index("ix_occurrence_unsealed", table_name="occurrence")
    op.drop_column("occurrence", "seal_entry_id")
    op.drop_column("delivery", "leaf")
