"""Every table, so that the schema can be read in one sitting.

Ids that stand for people or messages are random. What is personal lies in `sealed` columns,
encrypted under a key of `data_key` (promise 6); accounts are found by a keyed hash (`lookup`).
The log (`log_*`) is append-only: triggers of the first migration refuse anything else.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from bot.campaigns.states import CampaignState, DeliveryState, OccurrenceState
from bot.consent.rules import ConsentState, EventKind, Reach
from storage.types import UtcTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

SUBJECT_ID = String(32)
ENTRY_ID = String(32)
PURPOSE_ID = String(64)
# Bytewise order on PostgreSQL too: strangers compute seals in it, whatever the database speaks.
DELIVERY_ID = String(22).with_variant(String(22, collation="C"), "postgresql")


def one_of(name: str, column: str, values: type) -> CheckConstraint:
    """Repeat the members of an enum as a CHECK, so that no other word can be stored."""
    words = ", ".join(f"'{member.value}'" for member in values)  # type: ignore[attr-defined]
    return CheckConstraint(f"{column} IN ({words})", name=name)


# --- keys, people -----------------------------------------------------------------------------

data_key = Table(
    "data_key",
    metadata,
    Column("id", String(32), primary_key=True, comment="of a subject, a campaign, or 'house'"),
    Column("generation", Integer, nullable=False, comment="the epoch key that wraps it"),
    Column("wrapped", LargeBinary, nullable=False),
)

subject = Table(
    "subject",
    metadata,
    Column("id", SUBJECT_ID, primary_key=True),
    Column("channel", String(16), nullable=False),
    Column("lookup", LargeBinary, nullable=False, unique=True),
    Column("sealed", LargeBinary, nullable=False, comment="account, names, language, source"),
    Column("locale", String(8), nullable=False),
    Column("reach", String(16), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    Column("question_message_id", BigInteger, comment="the message that asks, edited in place"),
    Column("receipt_message_id", BigInteger, comment="the message with the receipts"),
    Column("paused_until", UtcTime, comment="no messages before this, by their own wish"),
    Column("suppressed", Boolean, nullable=False, comment="came back after 'never write again'"),
    one_of("reach", "reach", Reach),
)

suppression = Table(
    "suppression",
    metadata,
    Column("hash", LargeBinary, primary_key=True, comment="keyed hash of the account"),
    Column("created_at", UtcTime, nullable=False),
)

staff = Table(
    "staff",
    metadata,
    Column("lookup", LargeBinary, primary_key=True),
    Column("role", String(16), nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="account, name; under the house key"),
    Column("added_at", UtcTime, nullable=False),
)

# --- purposes and their published notices -----------------------------------------------------

purpose = Table(
    "purpose",
    metadata,
    Column("id", PURPOSE_ID, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("position", Integer, nullable=False, comment="the order of asking"),
    Column("current_version", Integer, nullable=False),
    Column("requires", Text, nullable=False, comment="all prerequisites, transitively, spaced"),
    Column("retired", Boolean, nullable=False, comment="no longer in the purposes file"),
    Column("keep_proof_for", Text, comment="after the end of a consent (ISO 8601)"),
    Column("keep_proof_rule", Text, comment="by which rule of law, by locale (JSON)"),
)

notice_version = Table(
    "notice_version",
    metadata,
    Column("purpose_id", PURPOSE_ID, ForeignKey("purpose.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("reask", Boolean, nullable=False, comment="a material change: older consents rest"),
    Column("published_at", UtcTime, nullable=False),
)

notice_acceptance = Table(
    "notice_acceptance",
    metadata,
    Column("purpose_id", PURPOSE_ID, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("accepted_version", Integer, primary_key=True, comment="consents that hold under it"),
)

notice = Table(
    "notice",
    metadata,
    Column("purpose_id", PURPOSE_ID, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("locale", String(8), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("canonical", Text, nullable=False, comment="the hashed bytes (RFC 8785)"),
    Column("entry_id", ENTRY_ID, nullable=False),
)

# --- the log ----------------------------------------------------------------------------------

log_head = Table(
    "log_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
)

log_entry = Table(
    "log_entry",
    metadata,
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("entry_id", ENTRY_ID, nullable=False, unique=True),
    Column("entry", LargeBinary, nullable=False, comment="the hashed bytes (RFC 8785)"),
)

log_node = Table(
    "log_node",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False, comment="RFC 6962 hash of a complete subtree"),
)

log_payload = Table(
    "log_payload",
    metadata,
    Column("index", BigInteger, ForeignKey("log_entry.index"), primary_key=True),
    Column("key_id", String(32), comment="data_key that opens it; null: public, not sealed"),
    Column("sealed", LargeBinary, nullable=False, comment="{salt, payload}"),
    Index(None, "key_id"),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
    Column("signed_at", UtcTime, nullable=False),
)

stamp = Table(
    "stamp",
    metadata,
    Column("size", BigInteger, ForeignKey("checkpoint.size"), primary_key=True),
    Column("authority", String(256), primary_key=True, comment="the address that was asked"),
    Column("note", Text, nullable=False, comment="the signed checkpoint that was stamped"),
    Column("token", LargeBinary, nullable=False, comment="TimeStampToken, DER (RFC 3161)"),
    Column("stamped_at", UtcTime, nullable=False, comment="the authority's clock"),
)

posting = Table(
    "posting",
    metadata,
    Column("channel", String(64), primary_key=True, comment="the public channel, as configured"),
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("note", Text, nullable=False, comment="the signed checkpoint that was posted"),
    Column("posted_at", UtcTime, nullable=False, comment="Telegram's date of the message"),
)

# --- consent ----------------------------------------------------------------------------------

legal_hold = Table(
    "legal_hold",
    metadata,
    Column("subject_id", SUBJECT_ID, ForeignKey("subject.id"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False, comment="who, why; under the house key"),
    Column("placed_at", UtcTime, nullable=False),
    Column("erasure_wanted_at", UtcTime, comment="they asked for it while the hold stood"),
    Column("never_again", Boolean, nullable=False, comment="and never to be written to again"),
)

consent = Table(
    "consent",
    metadata,
    Column("subject_id", SUBJECT_ID, ForeignKey("subject.id"), primary_key=True),
    Column("purpose_id", PURPOSE_ID, ForeignKey("purpose.id"), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("entry_id", ENTRY_ID, nullable=False, comment="the event that made it so"),
    Column("notice_version", Integer, nullable=False),
    Column("locale", String(8), nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    one_of("state", "state", ConsentState),
    Index("ix_consent_live", "purpose_id", "state", "subject_id"),
    Index(
        "ix_consent_expires",
        "expires_at",
        sqlite_where=text("expires_at IS NOT NULL"),
        postgresql_where=text("expires_at IS NOT NULL"),
    ),
)

consent_event = Table(
    "consent_event",
    metadata,
    Column("index", BigInteger, ForeignKey("log_entry.index"), primary_key=True),
    Column("entry_id", ENTRY_ID, nullable=False, unique=True),
    Column("event", String(16), nullable=False),
    Column("purpose_id", PURPOSE_ID, comment="null: the whole person was erased"),
    Column("at", UtcTime, nullable=False),
    Column(
        "written_at",
        UtcTime,
        comment="our clock at the end of its transaction; null: before migration 0005",
    ),
    Column("subject_id", SUBJECT_ID, comment="null: erased"),
    Column("update_id", BigInteger, comment="Telegram's update that brought it"),
    Column("delivery_id", DELIVERY_ID, comment="the message under which they left"),
    Column("undoable", Boolean, nullable=False, comment="ended a consent that held"),
    one_of("event", "event", EventKind),
    Index(None, "subject_id", "update_id"),
    Index(None, "delivery_id"),
)

prompt = Table(
    "prompt",
    metadata,
    Column("nonce", String(22), primary_key=True),
    Column("subject_id", SUBJECT_ID, ForeignKey("subject.id"), nullable=False),
    Column("purpose_id", PURPOSE_ID, nullable=False),
    Column("notice_version", Integer, nullable=False),
    Column("locale", String(8), nullable=False),
    Column("step", String(8), nullable=False, comment="answer or confirm"),
    Column("reasked", Boolean, nullable=False, comment="sent because the text changed"),
    Column("sealed", LargeBinary, nullable=False, comment="what was shown"),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("choice", String(8)),
    Column("entry_id", ENTRY_ID, comment="the event of the answer"),
    Index(None, "subject_id", "purpose_id", "notice_version"),
    Index(None, "expires_at"),
)

# --- updates and conversations ----------------------------------------------------------------

inbox = Table(
    "inbox",
    metadata,
    Column("update_id", BigInteger, primary_key=True, autoincrement=False),
    Column("chat_lookup", LargeBinary, nullable=False, comment="order is kept within a chat"),
    Column("account_lookup", LargeBinary, comment="who wrote it"),
    Column("stored_at", UtcTime, nullable=False),
    Column("state", String(16), nullable=False, comment="waiting, handled, set_aside"),
    Column("attempts", Integer, nullable=False),
    Column("generation", Integer, comment="the epoch key that seals it"),
    Column("sealed", LargeBinary, comment="deleted when handled"),
    Index(None, "state", "update_id"),
    Index(None, "account_lookup", "state"),
)

conversation = Table(
    "conversation",
    metadata,
    Column("lookup", LargeBinary, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
)

# --- campaigns and deliveries -----------------------------------------------------------------

campaign = Table(
    "campaign",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("number", Integer, unique=True, comment="how people call it; null: a draft"),
    Column("revision", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("purpose_id", PURPOSE_ID, ForeignKey("purpose.id"), nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="content, erid, who writes it"),
    Column("content_sha256", String(64), nullable=False),
    Column("author_lookup", LargeBinary, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("schedule_revision", Integer, nullable=False),
    Column("starts_at", UtcTime),
    Column("wall_time", String(32), comment="as the operator wrote it, in their zone"),
    Column("pause_reason", String(16)),
    Column("notice_version", Integer, nullable=False, comment="in force when it was confirmed"),
    Column("announced", String(16), comment="the state that its author was told last"),
    Column("progress_message_id", BigInteger),
    one_of("state", "state", CampaignState),
    Index(None, "state", "starts_at"),
)

occurrence = Table(
    "occurrence",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("campaign_id", String(32), ForeignKey("campaign.id"), nullable=False),
    Column("schedule_revision", Integer, nullable=False),
    Column("wall_time", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("seal_entry_id", ENTRY_ID, comment="the log entry that seals its deliveries"),
    Column("cursor", SUBJECT_ID, comment="the last subject taken into the audience"),
    one_of("state", "state", OccurrenceState),
    Index(
        "ix_occurrence_unsealed",
        "ended_at",
        sqlite_where=text("seal_entry_id IS NULL"),
        postgresql_where=text("seal_entry_id IS NULL"),
    ),
    UniqueConstraint("campaign_id", "schedule_revision", "wall_time"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", DELIVERY_ID, primary_key=True),
    Column("occurrence_id", String(32), ForeignKey("occurrence.id"), nullable=False),
    Column("subject_id", SUBJECT_ID, comment="null: erased"),
    Column("state", String(16), nullable=False),
    Column("reason", String(32), comment="why suppressed or failed"),
    Column("consent_entry_id", ENTRY_ID, comment="the event that allowed it"),
    Column("fence", BigInteger, nullable=False, comment="only its holder writes the result"),
    Column("changed_at", UtcTime, nullable=False),
    Column("message_id", BigInteger),
    Column("leaf", LargeBinary, comment="what the seal commits to; set once, at the end"),
    one_of("state", "state", DeliveryState),
    UniqueConstraint("occurrence_id", "subject_id"),
    Index("ix_delivery_queue", "occurrence_id", "state", "id"),
    Index("ix_delivery_seal", "occurrence_id", "id"),
    Index(None, "subject_id"),
    Index(
        "ix_delivery_in_flight",
        "state",
        sqlite_where=text("state IN ('leased', 'sending')"),
        postgresql_where=text("state IN ('leased', 'sending')"),
    ),
)

# --- the running program ----------------------------------------------------------------------

fact = Table(
    "fact",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    comment="single values: the log's origin, pauses, when updates were last fetched, menus",
)
