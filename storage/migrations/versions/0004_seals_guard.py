"""What a seal covers is read in the order of its leaves and cannot be changed behind its back."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

DELIVERY_IDS = (("delivery", "id", False), ("consent_event", "delivery_id", True))

# An erasure empties who, which consent and which message. What nobody knew may become known later:
# a resolved doubt changes the state, never the leaf.
DELIVERY_CHANGED = """
  {leaf}
  OR OLD.id <> NEW.id
  OR OLD.occurrence_id <> NEW.occurrence_id
  OR (NEW.subject_id IS NOT NULL AND {subject_id})
  OR (NEW.consent_entry_id IS NOT NULL AND {consent_entry_id})
  OR (OLD.state <> 'uncertain' AND (
    OLD.state <> NEW.state
    OR OLD.changed_at <> NEW.changed_at
    OR {reason}
    OR (NEW.message_id IS NOT NULL AND {message_id})))
"""
NULLABLE = ("leaf", "subject_id", "consent_entry_id", "reason", "message_id")
REFUSAL = "sealed deliveries do not change"
REFUSAL_OCCURRENCE = "an occurrence is sealed once"


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if not is_sqlite:
        _collate("C")
    op.create_index("ix_delivery_seal", "delivery", ["occurrence_id", "id"])
    if is_sqlite:
        _guard_sqlite()
    else:
        _guard_postgresql()


def _collate(collation: str | None) -> None:
    """Let ids of deliveries sort bytewise, as SQLite does by itself."""
    for table, column, is_nullable in DELIVERY_IDS:
        op.alter_column(
            table,
            column,
            existing_type=sa.String(22),
            type_=sa.String(22, collation=collation),
            existing_nullable=is_nullable,
        )


def _changed(differs: str) -> str:
    return DELIVERY_CHANGED.format(
        **{name: f"OLD.{name} {differs} NEW.{name}" for name in NULLABLE}
    )


def _guard_sqlite() -> None:
    op.execute(
        "CREATE TRIGGER delivery_sealed_no_update BEFORE UPDATE ON delivery "
        f"WHEN OLD.leaf IS NOT NULL AND ({_changed('IS NOT')}) "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    )
    op.execute(
        "CREATE TRIGGER delivery_sealed_no_delete BEFORE DELETE ON delivery "
        f"WHEN OLD.leaf IS NOT NULL BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    )
    op.execute(
        "CREATE TRIGGER occurrence_sealed_once BEFORE UPDATE ON occurrence "
        "WHEN OLD.seal_entry_id IS NOT NULL AND OLD.seal_entry_id IS NOT NEW.seal_entry_id "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSAL_OCCURRENCE}'); END"
    )


def _guard_postgresql() -> None:
    for name, refusal in (
        ("assent_refuse_sealed", REFUSAL),
        ("assent_refuse_second_seal", REFUSAL_OCCURRENCE),
    ):
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
        )
    op.execute(
        "CREATE TRIGGER delivery_sealed_no_update BEFORE UPDATE ON delivery FOR EACH ROW "
        f"WHEN (OLD.leaf IS NOT NULL AND ({_changed('IS DISTINCT FROM')})) "
        "EXECUTE FUNCTION assent_refuse_sealed()"
    )
    op.execute(
        "CREATE TRIGGER delivery_sealed_no_delete BEFORE DELETE ON delivery FOR EACH ROW "
        "WHEN (OLD.leaf IS NOT NULL) EXECUTE FUNCTION assent_refuse_sealed()"
    )
    op.execute(
        "CREATE TRIGGER occurrence_sealed_once BEFORE UPDATE ON occurrence FOR EACH ROW "
        "WHEN (OLD.seal_entry_id IS NOT NULL "
        "AND OLD.seal_entry_id IS DISTINCT FROM NEW.seal_entry_id) "
        "EXECUTE FUNCTION assent_refuse_second_seal()"
    )


def downgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for trigger, table in (
        ("delivery_sealed_no_update", "delivery"),
        ("delivery_sealed_no_delete", "delivery"),
        ("occurrence_sealed_once", "occurrence"),
    ):
        op.execute(f"DROP TRIGGER {trigger}" + ("" if is_sqlite else f" ON {table}"))
    if not is_sqlite:
        op.execute("DROP FUNCTION assent_refuse_sealed()")
        op.execute("DROP FUNCTION assent_refuse_second_seal()")
    op.drop_index("ix_delivery_seal", "delivery")
    if not is_sqlite:
        _collate("default")
