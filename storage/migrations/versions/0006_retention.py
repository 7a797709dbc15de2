"""How long the proofs of a purpose are kept, and by which rule of law."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "purpose",
        sa.Column(
            "keep_proof_for",
            sa.Text(),
            nullable=True,
            comment="after the end of a consent (ISO 8601)",
        ),
    )
    op.add_column(
        "purpose",
        sa.Column(
            "keep_proof_rule",
            sa.Text(),
            nullable=True,
            comment="by which rule of law, by locale (JSON)",
        ),
    )


def downgrade() -> None:
    op.drop_column("purpose", "keep_proof_rule")
    op.drop_column("purpose", "keep_proof_for")
