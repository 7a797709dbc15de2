"""When a consent event was written, beside when its update came: how long it took to act."""

import sqlalchemy as sa
from alembic import op

from storage.types import UtcTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "consent_event",
        sa.Column(
            "written_at",
            UtcTime(),
            nullable=True,
            comment="our clock at the end of its transaction; null: before migration 0005",
        ),
    )


def downgrade() -> None:
    op.drop_column("consent_event", "written_at")
