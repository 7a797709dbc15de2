"""The log is taken out as it stands: chosen rows, no more memory for a longer log, no gaps."""

import asyncio
import csv
import hashlib
import io
import json
import tracemalloc
import zipfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import tea_shop
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.consent.acts import Choice
from bot.consent.purposes import Period
from bot.consent.rules import EntryId, PurposeId, SubjectId
from bot.proof import archive, canonical, delivery, merkle, verifier
from bot.proof.notice import notice_canonical
from bot.proof.payload import COLUMNS
from bot.proof.verifier import Report
from bot.usecases.checkpoints import Signer
from bot.usecases.exports import ExportDesk, Format, Selection
from bot.usecases.journal import Journal, Written
from bot.usecases.sealing import SealDesk
from storage import keys, keystore, log, notices, stamps
from storage.database import Database
from storage.keystore import Keystore
from storage.notices import PublishedNotice

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
NEWS, OFFERS, DATA = PurposeId("news"), PurposeId("offers"), PurposeId("personal-data")
EVERYTHING = Selection()
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A log, and the pen and the desk of those who work with it."""

    folder: Path
    database: Database
    opened: Keystore

    @property
    def journal(self) -> Journal:
        return Journal(keyring=lambda: self.opened.keyring)

    @property
    def desk(self) -> ExportDesk:
        signer = Signer(database=self.database, keystore=lambda: self.opened)
        return ExportDesk(
            database=self.database, journal=self.journal, signer=signer, seals=self.seals
        )

    @property
    def seals(self) -> SealDesk:
        return SealDesk(database=self.database, journal=self.journal)

    async def publish(self, purpose: PurposeId, version: int = 1) -> PublishedNotice:
        facts = {
            "controller": {"name": "Tea Shop"},
            "purpose": purpose,
            "kind": "informational",
            "version": version,
            "locale": "en",
            "title": "News",
            "summary": "Once a week.",
            "text": "We write to you once a week.",
            "data": [],
            "recipients": [],
            "valid_for": None,
        }
        form = notice_canonical(facts)
        async with self.database.transaction() as tx:
            await notices.put_purpose(
                tx, purpose, kind="informational", position=0, version=version, requires=()
            )
            await notices.add_version(
                tx, purpose, version, reask=True, accepts=frozenset({version}), at=AT
            )
            written = await self.journal.write(
                tx, "notice.published", {"notice": facts}, AT, key=None
            )
            text = PublishedNotice(
                purpose_id=purpose,
                version=version,
                locale="en",
                sha256=hashlib.sha256(form).hexdigest(),
                canonical=form.decode(),
                entry_id=written.entry_id,
            )
            await notices.add_text(tx, text)
        return text

    async def write(
        self, tx: AsyncConnection, who: str, text: PublishedNotice, at: datetime, **facts: Any
    ) -> Written:
        payload = {
            "subject": who,
            "channel": "telegram",
            "account": "1001",
            "event": "granted",
            "purpose": text.purpose_id,
            "kind": "informational",
            "notice_entry": text.entry_id,
            "notice_version": text.version,
            "notice_sha256": text.sha256,
            "locale": "en",
            "method": "callback",
            **facts,
        }
        key = await self.journal.key(tx, who) or await self.journal.new_key(tx, who)
        return await self.journal.write(tx, f"consent.{payload['event']}", payload, at, key=key)

    async def consent(
        self, who: str, text: PublishedNotice, at: datetime = AT, **facts: Any
    ) -> EntryId:
        async with self.database.transaction() as tx:
            return (await self.write(tx, who, text, at, **facts)).entry_id

    async def erase(self, who: str, at: datetime = AT) -> None:
        async with self.database.transaction() as tx:
            await log.erase_payloads(tx, who)
            await keys.destroy(tx, who)
            key = await self.journal.house_key(tx)
            await self.journal.write(tx, "subject.erased", {"erasure": "00"}, at, key=key)

    async def export(self, kind: Format, selection: Selection = EVERYTHING) -> tuple[int, bytes]:
        path = self.folder / f"export.{kind.suffix}"
        count = await self.desk.write(path, kind, selection, AT)
        return count, path.read_bytes()

    async def rows(self, selection: Selection = EVERYTHING) -> list[dict[str, Any]]:
        """Export in all three ways; return the rows, which must be the same in each."""
        count, data = await self.export(Format.JSONL, selection)
        rows = [json.loads(line) for line in data.splitlines()]
        _, table = await self.export(Format.CSV, selection)
        assert len(list(csv.reader(io.StringIO(table.decode(), newline="")))) == count + 1
        assert count == len(rows)
        count_in_bundle, bundle = await self.export(Format.BUNDLE, selection)
        with zipfile.ZipFile(io.BytesIO(bundle)) as opened:
            assert opened.read("consents.jsonl") == data
            assert opened.read("consents.csv") == table
        assert count_in_bundle == count
        assert self.check().failures == []
        return rows

    def check(self) -> Report:
        key = self.desk.signer.key
        return verifier.verify_file(self.folder / "export.zip", key)


@pytest.fixture
async def shop(database: Database, tmp_path: Path) -> Shop:
    opened = keystore.create(tmp_path / "keys" / "keystore", bytes(32), "tea.example/log", AT)
    return Shop(folder=tmp_path, database=database, opened=opened)


# --- tables -----------------------------------------------------------------------------------


async def test_csv_has_the_columns_of_the_contract_in_order(shop: Shop) -> None:
    await shop.consent("anna", await shop.publish(NEWS), source="=cmd()", update_id=7)
    count, data = await shop.export(Format.CSV)
    header, line = csv.reader(io.StringIO(data.decode(), newline=""))
    assert count == 1
    assert header == list(COLUMNS)
    told = dict(zip(header, line, strict=True))
    assert (told["index"], told["event"], told["subject"]) == ("1", "granted", "anna")
    assert (told["source"], told["update_id"]) == ("'=cmd()", "7")
    assert told["time"] == "2026-11-24T12:00:00.000Z"


async def test_json_lines_have_the_keys_of_the_contract_in_order(shop: Shop) -> None:
    entry_id = await shop.consent("anna", await shop.publish(NEWS), source="=cmd()")
    [row] = await shop.rows()
    assert list(row) == list(COLUMNS)
    assert (row["entry_id"], row["source"], row["expires"]) == (entry_id, "=cmd()", "")


async def test_an_empty_log_can_be_exported_in_every_way(shop: Shop) -> None:
    assert await shop.rows() == []
    report = shop.check()
    assert (report.ok, report.size, report.opened) == (True, 0, 0)


async def test_of_an_erased_person_the_row_stays_empty(shop: Shop) -> None:
    text = await shop.publish(NEWS)
    await shop.consent("anna", text)
    await shop.consent("boris", text)
    await shop.erase("anna")
    rows = await shop.rows()
    assert [(row["event"], row["subject"]) for row in rows] == [
        ("granted", ""),
        ("granted", "boris"),
        ("erased", ""),
    ]
    kept = {"index", "entry_id", "time", "event"}
    assert {value for name, value in rows[0].items() if name not in kept} == {""}
    data = (shop.folder / "export.zip").read_bytes()
    assert b"anna" not in data
    assert b"boris" in data


async def test_a_person_whose_epoch_key_is_gone_is_erased_in_exports_too(shop: Shop) -> None:
    text = await shop.publish(NEWS)
    await shop.consent("anna", text)
    await shop.consent("boris", text)
    await shop.erase("boris")
    ring = shop.opened.keyring
    ring.epochs[2], lost = bytes(32), ring.epochs.pop(1)  # type: ignore[attr-defined]
    row, *_ = await shop.rows()
    assert (row["event"], row["subject"]) == ("granted", "")
    ring.epochs[1] = lost  # type: ignore[index]
    row, *_ = await shop.rows()
    assert row["subject"] == "anna"


# --- the selection ----------------------------------------------------------------------------


async def test_a_period_begins_with_its_start_and_stops_before_its_end(shop: Shop) -> None:
    text = await shop.publish(NEWS)
    for number in range(4):
        await shop.consent(f"person{number}", text, AT + number * MINUTE)
    selection = Selection(start=AT + MINUTE, end=AT + 3 * MINUTE)
    rows = await shop.rows(selection)
    assert [row["subject"] for row in rows] == ["person1", "person2"]


async def test_a_purpose_takes_its_own_events_only(shop: Shop) -> None:
    news, offers = await shop.publish(NEWS), await shop.publish(OFFERS)
    await shop.consent("anna", news)
    await shop.consent("anna", offers)
    await shop.consent("boris", news)
    await shop.erase("boris")
    rows = await shop.rows(Selection(purpose_id=OFFERS))
    assert [(row["subject"], row["purpose"]) for row in rows] == [("anna", "offers")]


async def test_a_period_is_the_same_instant_in_every_zone(shop: Shop) -> None:
    text = await shop.publish(NEWS)
    await shop.consent("anna", text, AT)
    moscow = AT.astimezone(ZoneInfo("Europe/Moscow"))
    assert moscow.hour != AT.hour
    assert Selection(start=moscow).to_json() == Selection(start=AT).to_json()
    assert len(await shop.rows(Selection(start=moscow))) == 1
    assert await shop.rows(Selection(end=moscow)) == []


def test_a_time_without_a_zone_is_refused() -> None:
    for name in ("start", "end"):
        with pytest.raises(ValueError, match="without a zone"):
            Selection(**{name: AT.replace(tzinfo=None)})


async def test_who_took_data_out_is_in_the_log_and_stays_closed(shop: Shop) -> None:
    await shop.consent("anna", await shop.publish(NEWS))
    selection = Selection(start=AT, purpose_id=NEWS)
    await shop.desk.record("staff-of-tea", selection, [Format.CSV], AT)
    async with shop.database.snapshot() as tx:
        [stored] = await log.entries_by_index(tx, [2])
    assert canonical.parse(stored.hashed)["type"] == "export.made"
    assert len(await shop.rows(selection)) == 1
    assert b"staff-of-tea" not in (shop.folder / "export.zip").read_bytes()


# --- the bundle -------------------------------------------------------------------------------


async def test_a_bundle_follows_a_person_through_all_events(shop: Shop) -> None:
    text = await shop.publish(NEWS)
    first = await shop.consent("anna", text)
    second = await shop.consent("anna", text, event="withdrawn", previous=first)
    await shop.consent("anna", text, event="granted", previous=second)
    await shop.rows()
    report = shop.check()
    assert (report.ok, report.size, report.opened) == (True, 4, 4)


async def test_a_bundle_of_a_growing_log_is_whole(shop: Shop) -> None:
    text = await shop.publish(NEWS)
    for number in range(20):
        await shop.consent(f"person{number}", text)
    growing = asyncio.Event()

    async def grow() -> None:
        for number in range(20):
            await shop.consent(f"late{number}", text)
            growing.set()

    async def export() -> None:
        await growing.wait()
        await shop.export(Format.BUNDLE)

    await asyncio.gather(grow(), export())
    report = shop.check()
    assert report.failures == []
    assert 21 < report.size <= 41


async def test_a_text_that_is_published_meanwhile_is_left_out(shop: Shop) -> None:
    # The checkpoint is signed first; what comes after it must not appear in the bundle.
    await shop.consent("anna", await shop.publish(NEWS))
    signer = shop.desk.signer

    @dataclass(frozen=True)
    class Interrupted(Signer):
        """The real signer, with somebody publishing right after each signature."""

        async def sign(self, at: datetime) -> Any:
            signed = await signer.sign(at)
            await shop.publish(OFFERS)
            return signed

    desk = ExportDesk(
        database=shop.database,
        journal=shop.journal,
        signer=Interrupted(database=shop.database, keystore=lambda: shop.opened),
        seals=shop.seals,
    )
    await desk.write(shop.folder / "export.zip", Format.BUNDLE, EVERYTHING, AT)
    report = shop.check()
    assert report.failures == []
    assert report.size == 2


async def test_all_that_can_happen_to_consents_is_proven(tmp_path: Path) -> None:
    async with tea_shop.new_shop(tmp_path) as tea:
        year = timedelta(days=366)
        await tea.publish(tea_shop.purpose(DATA), tea_shop.purpose(OFFERS), at=AT)
        anna, boris, carl = [await tea.meet(str(number)) for number in (1, 2, 3)]
        for person in (anna, boris, carl):
            await tea.agree_all(person)
        [left] = await tea.consents.withdraw(anna, OFFERS, tea_shop.PRESS, AT + MINUTE)
        await tea.consents.undo(anna, left.entry_id, tea_shop.PRESS, AT + 2 * MINUTE)
        await tea.publish(
            tea_shop.purpose(DATA),
            tea_shop.purpose(OFFERS, "another text", valid_for=Period("P1Y")),
            at=AT + 3 * MINUTE,
        )
        await tea.answer(boris, OFFERS, Choice.DECLINE, AT + 4 * MINUTE)
        await tea.answer(anna, OFFERS, at=AT + 5 * MINUTE)
        await tea.records.erase(carl, AT + 6 * MINUTE, never_again=True)
        await tea.consents.expire_due(AT + year)
        await tea.consents.leave_all(anna, tea_shop.PRESS, AT + year + MINUTE)
        happened = set(await tea.events(anna)) | set(await tea.events(boris))
        assert {event.split()[0] for event in happened} >= {"granted", "withdrawn", "expired"}
        path, key = tmp_path / "export.zip", tea.core.signer.key
        for selection in (
            EVERYTHING,
            Selection(purpose_id=OFFERS),
            Selection(start=AT + MINUTE, end=AT + 5 * MINUTE),
        ):
            await tea.core.exports.write(path, Format.BUNDLE, selection, AT + year)
            assert verifier.verify_file(path, key).failures == []
        for event in await tea.records.events(anna):
            proof = await tea.proof(anna, event.entry_id, AT + year)
            assert proof is not None
            assert verifier.verify_proof(proof, "proof", key).failures == []


async def test_progress_ends_with_the_last_entry(shop: Shop) -> None:
    await shop.consent("anna", await shop.publish(NEWS))
    for kind in Format:
        seen: list[tuple[int, int]] = []
        path = shop.folder / "export"
        await shop.desk.write(
            path, kind, EVERYTHING, AT, lambda done, of, seen=seen: seen.append((done, of))
        )
        assert seen == [(1, 2), (2, 2)]


async def test_a_longer_log_takes_no_more_memory(shop: Shop) -> None:
    text = await shop.publish(NEWS)

    async def grow(start: int, end: int) -> None:
        async with shop.database.transaction() as tx:
            for number in range(start, end):
                await shop.write(tx, f"person{number % 7}", text, AT)

    async def peak(kind: Format) -> int:
        tracemalloc.start()
        await shop.desk.write(shop.folder / "export", kind, EVERYTHING, AT)
        _, found = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return found

    for kind in Format:
        await peak(kind)  # what is imported and cached once
    await grow(0, 2 * log.PAGE)
    of_few = {kind: await peak(kind) for kind in Format}
    await grow(2 * log.PAGE, 6 * log.PAGE)
    for kind in Format:
        # An archive is copied by pieces of a fixed size; these logs fill less than two.
        pieces = 2 * archive.CHUNK if kind is Format.BUNDLE else 0
        assert await peak(kind) < 1.25 * of_few[kind] + pieces, kind


# --- people, the public form, who else saw it -------------------------------------------------


async def test_some_people_alone_can_be_opened(shop: Shop) -> None:
    anna, boris = SubjectId("a" * 32), SubjectId("b" * 32)
    text = await shop.publish(NEWS)
    for who in (anna, boris, SubjectId("c" * 32)):
        await shop.consent(who, text)
    rows = await shop.rows(Selection(subject_ids=frozenset({boris, anna})))
    assert [row["subject"] for row in rows] == [anna, boris]
    assert b"c" * 32 not in (shop.folder / "export.zip").read_bytes()


async def test_the_public_form_tells_when_and_not_who(shop: Shop) -> None:
    await shop.consent("anna", await shop.publish(NEWS))
    [row] = await shop.rows(Selection(is_public=True))
    assert row["event"] == "granted"
    assert set(list(row.values())[4:]) == {""}
    assert b"anna" not in (shop.folder / "export.zip").read_bytes()
    for facts in ({"purpose_id": NEWS}, {"subject_ids": frozenset({"a" * 32})}):
        with pytest.raises(ValueError, match="public"):
            Selection(is_public=True, **facts)  # type: ignore[arg-type]


async def test_earlier_checkpoints_and_posts_are_in_it(shop: Shop) -> None:
    text = await shop.publish(NEWS)
    signed: dict[int, str] = {}
    for number in range(3):
        await shop.consent(f"person{number}", text)
        current, note = await shop.desk.signer.sign(AT + number * MINUTE)
        signed[current.size] = note
    async with shop.database.transaction() as tx:
        posted = stamps.StoredPosting(
            channel="@tea", message_id=5, size=2, note=signed[2], posted_at=AT
        )
        await stamps.put_posting(tx, posted)
    await shop.rows()
    report = shop.check()
    assert report.failures == []
    assert "2 entries was posted to @tea as message 5" in report.clocks[0]
    with zipfile.ZipFile(shop.folder / "export.zip") as opened:
        lines = opened.read("checkpoints.jsonl").splitlines()
    sizes = [json.loads(line)["size"] for line in lines]
    assert sizes == [2, 4], "what was posted, and the last one of the day"


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A delivery as the desk of the seals would give it."""

    salt: str | None
    payload: dict[str, str] | None
    leaf: bytes


async def test_sealed_deliveries_are_listed_and_opened_as_chosen(shop: Shop) -> None:
    who = "a" * 32
    text = await shop.publish(NEWS)
    consent = await shop.consent(who, text)
    await shop.consent("boris", text)
    await shop.erase("boris")
    facts = delivery.payload(
        campaign="ca" * 16,
        occurrence="0c" * 16,
        delivery="d".ljust(22, "1"),
        purpose=NEWS,
        state="sent",
        at=AT + MINUTE,
        subject=who,
        consent_entry=consent,
        message_id=5,
    )
    salt = bytes(32)
    sealed = [
        Sealed(salt=salt.hex(), payload=facts, leaf=delivery.leaf(salt, facts)),
        Sealed(salt=None, payload=None, leaf=bytes(32)),
    ]

    class Seals:
        async def deliveries(self, _tx: Any, occurrence_id: str) -> Any:
            assert occurrence_id == "0c" * 16
            for one in sealed:
                yield one

    seal = {
        "campaign": "ca" * 16,
        "counts": {"sent": 2},
        "occurrence": "0c" * 16,
        "purpose": NEWS,
        "root": merkle.root(one.leaf for one in sealed).hex(),
        "size": 2,
    }
    async with shop.database.transaction() as tx:
        house = await shop.journal.house_key(tx)
        await shop.journal.write(tx, "occurrence.sealed", seal, AT, key=house)
    desk = replace(shop.desk, seals=Seals())
    for selection, count in ((EVERYTHING, 1), (Selection(is_public=True), 0)):
        await desk.write(shop.folder / "export.zip", Format.BUNDLE, selection, AT)
        assert shop.check().failures == []
        with zipfile.ZipFile(shop.folder / "export.zip") as opened:
            lines = opened.read("deliveries.jsonl").splitlines()
        assert [b"payload" in line for line in lines].count(True) == count
        assert len(lines) == 2
