"""The log is append-only: the database itself refuses anything but a next entry."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("log_entry", "log_node")

SQLITE = """
CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END
"""
# REPLACE would delete without a word where recursive triggers are off, so it is refused earlier.
SQLITE_NEXT = """
CREATE TRIGGER log_entry_is_next BEFORE INSERT ON log_entry
WHEN NEW."index" <> (SELECT COALESCE(MAX("index") + 1, 0) FROM log_entry)
BEGIN SELECT RAISE(ABORT, 'the log is append-only: not the next entry'); END
"""

POSTGRESQL_FUNCTIONS = (
    """
CREATE FUNCTION assent_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the log is append-only'; END $$
""",
    """
CREATE FUNCTION assent_refuse_gap() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
  IF NEW."index" <> (SELECT COALESCE(MAX("index") + 1, 0) FROM log_entry) THEN
    RAISE EXCEPTION 'the log is append-only: not the next entry';
  END IF;
  RETURN NEW;
END $$
""",
)


def upgrade() -> None:
    head = sa.table(
        "log_head", sa.column("id"), sa.column("size"), sa.column("root", sa.LargeBinary)
    )
    empty = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    op.bulk_insert(head, [{"id": 1, "size": 0, "root": empty}])
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()


def _guard_sqlite() -> None:
    for table in TABLES:
        for verb in ("UPDATE", "DELETE"):
            op.execute(SQLITE.format(table=table, verb=verb))
    op.execute(SQLITE_NEXT)


def _guard_postgresql() -> None:
    for function in POSTGRESQL_FUNCTIONS:
        op.execute(function)
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION assent_refuse()"
        )
    op.execute(
        "CREATE TRIGGER log_entry_is_next BEFORE INSERT ON log_entry "
        "FOR EACH ROW EXECUTE FUNCTION assent_refuse_gap()"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in TABLES:
            for verb in ("UPDATE", "DELETE"):
                op.execute(f"DROP TRIGGER {table}_no_{verb}")
        op.execute("DROP TRIGGER log_entry_is_next")
    else:
        for table in TABLES:
            op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        op.execute("DROP TRIGGER log_entry_is_next ON log_entry")
        op.execute("DROP FUNCTION assent_refuse_gap()")
        op.execute("DROP FUNCTION assent_refuse()")
    op.execute("DELETE FROM log_head")
