"""Stamps and posts of checkpoints: kept once, whatever the authority does, and found again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import time_authority
from tea_shop import AT, DATA, DAY, HOUR, MINUTE, Shop
from time_authority import HAS_OPENSSL, Answer, TimeAuthority, found, listening

from bot.app.authority import Authority
from bot.proof import note, stamp
from bot.usecases.stamping import NotStamped, Posting, Stamping, best_checkpoint
from storage import log, stamps
from storage.stamps import StoredPosting, StoredStamp

needs_openssl = pytest.mark.skipif(not HAS_OPENSSL, reason="no openssl on this machine")
CHANNEL = "@tea_log"
URL = "https://tsa.example/tsr"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> TimeAuthority:
    return found(tmp_path_factory.mktemp("authority") / "files")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> TimeAuthority:
    return found(tmp_path_factory.mktemp("stranger") / "files")


@pytest.fixture
def authority(certificates: TimeAuthority) -> Iterator[TimeAuthority]:
    with listening(TimeAuthority(certificates.folder)) as authority:
        yield authority


def stamping_for(shop: Shop, authority: TimeAuthority) -> Stamping:
    return Stamping(
        database=shop.database,
        authority=authority.url,
        ask=Authority(url=authority.url, timeout_seconds=0.7).ask,
        every=HOUR,
        roots=authority.root,
    )


@pytest.fixture
def stamping(shop: Shop, authority: TimeAuthority) -> Stamping:
    return stamping_for(shop, authority)


async def signed(shop: Shop, *, at: datetime = AT, grown: bool = False) -> tuple[int, str]:
    """Sign the log, after one more entry if it shall have grown."""
    if grown:
        somebody = await shop.meet(account=str(await shop.log_size()))
        await shop.answer(somebody, DATA)
    current, text = await shop.core.signer.sign(at)
    return current.size, text


async def kept(shop: Shop) -> list[StoredStamp]:
    async with shop.database.snapshot() as tx:
        return await stamps.stamps_upto(tx, await shop.log_size())


# --- stamps -----------------------------------------------------------------------------------


@needs_openssl
async def test_the_newest_checkpoint_is_stamped_and_kept(
    either_shop: Shop, authority: TimeAuthority
) -> None:
    stamping = stamping_for(either_shop, authority)
    await signed(either_shop, at=AT - DAY)
    size, text = await signed(either_shop, grown=True)
    made = await stamping.stamp()
    assert made is not None
    assert (made.size, made.note, made.authority) == (size, text, authority.url)
    checked = stamp.verify_token(made.token, text.encode(), [authority.root])
    assert checked.at - made.stamped_at < timedelta(milliseconds=1)
    assert authority.verifies(made.token, text.encode())
    assert await kept(either_shop) == [made]


@needs_openssl
async def test_no_size_is_stamped_twice(either_shop: Shop, authority: TimeAuthority) -> None:
    stamping = stamping_for(either_shop, authority)
    await signed(either_shop)
    assert await stamping.stamp() is not None
    assert await stamping.stamp() is None
    await signed(either_shop, at=AT + DAY)
    assert await stamping.stamp() is None
    assert authority.asked == 1


async def test_a_log_that_nobody_signed_yet_is_not_stamped(shop: Shop) -> None:
    async def ask(_: bytes) -> bytes:
        raise AssertionError("nobody is to be asked")

    asking = Stamping(database=shop.database, authority=URL, ask=ask, every=HOUR)
    assert await asking.stamp() is None


@needs_openssl
async def test_it_is_due_when_the_log_grew_and_the_last_stamp_is_old(
    shop: Shop, stamping: Stamping
) -> None:
    assert await stamping.is_due(AT), "never stamped"
    await signed(shop)
    made = await stamping.stamp()
    assert made is not None
    later = made.stamped_at + HOUR
    assert not await stamping.is_due(later), "it did not grow"
    await signed(shop, grown=True)
    assert not await stamping.is_due(later - MINUTE)
    assert await stamping.is_due(later)
    assert await stamping.is_due(made.stamped_at - DAY), "its clock was ahead of ours"


FAULTS: dict[str, tuple[Answer, str]] = {
    "status 500": (time_authority.with_status_500, "HTTP status 500"),
    "a redirect": (time_authority.with_a_redirect, "HTTP status 307"),
    "no answer in time": (time_authority.too_late, "TimeoutError"),
    "a page": (time_authority.with_a_page, "no stamp of what was asked"),
    "an empty answer": (time_authority.with_nothing, "no stamp of what was asked"),
    "a reset": (time_authority.by_hanging_up, "ServerDisconnectedError"),
    "half an answer": (time_authority.cut_short, "no stamp of what was asked"),
    "an endless answer": (time_authority.without_end, "more than 100000 bytes"),
    "another note": (time_authority.of_another_note, "stamped something else"),
    "another nonce": (time_authority.of_another_request, "answered another request"),
    "a refusal": (time_authority.with_a_refusal, "refused to stamp"),
}


@needs_openssl
@pytest.mark.parametrize("fault", FAULTS)
async def test_after_a_fault_nothing_is_kept_and_the_next_time_succeeds(
    fault: str, shop: Shop, stamping: Stamping, authority: TimeAuthority
) -> None:
    await signed(shop)
    answer, why = FAULTS[fault]
    authority.next_answers = [answer]
    with pytest.raises(NotStamped, match=why) as told:
        await stamping.stamp()
    assert authority.url not in told.value.detail
    assert not authority.was_read_to_the_end
    assert await kept(shop) == []
    assert await stamping.stamp() is not None
    assert authority.asked == 2
    assert len(await kept(shop)) == 1


@needs_openssl
async def test_a_stamp_of_somebody_else_is_not_kept_where_the_roots_are_known(
    shop: Shop, stamping: Stamping, authority: TimeAuthority, stranger: TimeAuthority
) -> None:
    await signed(shop)
    authority.next_answers = [time_authority.by(stranger)] * 2
    with pytest.raises(NotStamped, match="does not lead to a root"):
        await stamping.stamp()
    assert await kept(shop) == []
    assert await replace(stamping, roots=None).stamp() is not None, "nobody can tell"


async def test_nobody_at_the_address_is_a_fault_like_others(shop: Shop) -> None:
    await signed(shop)
    nowhere = "http://127.0.0.1:9/tsr"
    ask = Authority(url=nowhere).ask
    asking = Stamping(database=shop.database, authority=nowhere, ask=ask, every=HOUR)
    with pytest.raises(NotStamped, match="ClientConnectorError"):
        await asking.stamp()


@needs_openssl
async def test_the_log_grows_while_the_authority_thinks(shop: Shop, stamping: Stamping) -> None:
    """No transaction is open meanwhile; what is kept is the note that was stamped."""
    size, text = await signed(shop)

    async def ask(request: bytes) -> bytes:
        await signed(shop, grown=True)
        return await stamping.ask(request)

    made = await replace(stamping, ask=ask).stamp()
    assert made is not None
    assert (made.size, made.note) == (size, text)


# --- posts ------------------------------------------------------------------------------------


async def test_one_post_a_utc_day_in_which_the_log_grew(either_shop: Shop) -> None:
    posting = Posting(database=either_shop.database, channel=CHANNEL)
    assert await posting.due(AT) is None, "nothing is signed"
    first = await signed(either_shop)
    assert await posting.due(AT) == first
    await posting.record(*first, 11, AT)
    second = await signed(either_shop, grown=True)
    midnight = AT.replace(hour=0) + DAY
    assert await posting.due(midnight - timedelta(seconds=1)) is None
    assert await posting.due(midnight) == second
    await posting.record(*second, 12, midnight)
    assert await posting.due(midnight + 9 * DAY) is None, "it did not grow"
    third = await signed(either_shop, grown=True)
    await posting.record(*third, 1, midnight + 9 * DAY)
    fourth = await signed(either_shop, grown=True)
    assert await posting.due(midnight + 9 * DAY) is None, "a channel made anew counts from 1"
    await posting.record(*fourth, 1, midnight + 10 * DAY)
    assert await posting.due(midnight + 10 * DAY) is None
    other = Posting(database=either_shop.database, channel="@another")
    assert await other.due(AT) == fourth, "each channel has its own"


# --- what others read -------------------------------------------------------------------------


def made(size: int, text: str, authority: str = URL, at: datetime = AT) -> StoredStamp:
    return StoredStamp(size=size, authority=authority, note=text, token=b"t", stamped_at=at)


async def test_taken_out_are_the_last_of_each_day_and_what_others_have_seen(
    either_shop: Shop,
) -> None:
    morning = AT.replace(hour=0)
    hours = (morning, morning + HOUR, morning + 2 * HOUR, morning + DAY - MINUTE, morning + DAY)
    before = await signed(either_shop, at=morning - timedelta(milliseconds=1))
    signatures = [await signed(either_shop, at=at, grown=True) for at in hours]
    _, stamped, posted, last, next_day = signatures
    async with either_shop.database.transaction() as tx:
        await stamps.add(tx, made(*stamped))
        await stamps.add(tx, made(*stamped, authority="https://another.example"))
        await stamps.add(tx, made(stamped[0], "again", at=AT + DAY))
        post = StoredPosting(
            channel=CHANNEL, message_id=5, size=posted[0], note=posted[1], posted_at=AT
        )
        await stamps.put_posting(tx, post)
    async with either_shop.database.snapshot() as tx:
        everything = await stamps.checkpoints_chosen(tx, next_day[0])
        assert everything == [before, stamped, posted, last, next_day]
        upto_posted = await stamps.checkpoints_chosen(tx, posted[0])
        assert upto_posted == [before, stamped, posted]
        assert await stamps.checkpoints_chosen(tx, before[0] - 1) == []
        found = await stamps.stamps_upto(tx, stamped[0])
        assert [(one.authority, one.note) for one in found] == [
            ("https://another.example", stamped[1]),
            (URL, stamped[1]),
        ]
        assert await stamps.stamps_upto(tx, stamped[0] - 1) == []
        assert await stamps.postings_upto(tx, posted[0]) == [post]
        assert await stamps.postings_upto(tx, posted[0] - 1) == []


async def test_a_proof_takes_the_newest_stamped_checkpoint_that_holds_the_entry(
    either_shop: Shop,
) -> None:
    key = either_shop.core.signer.key
    first, second, third = [await signed(either_shop, grown=grown) for grown in (False, True, True)]
    async with either_shop.database.transaction() as tx:
        await stamps.add(tx, made(*first))
        await stamps.add(tx, made(*second))
    async with either_shop.database.snapshot() as tx:
        assert await best_checkpoint(tx, 0, key) == (*second, [made(*second)])
        assert await best_checkpoint(tx, second[0] - 1, key) == (*second, [made(*second)])
        assert await best_checkpoint(tx, second[0], key) == (*third, [])
        assert await best_checkpoint(tx, third[0], key) is None


async def test_a_stamp_over_a_note_of_another_key_is_no_help_to_a_proof(shop: Shop) -> None:
    """After a change of the key older checkpoints do not verify under the key of the file."""
    size, text = await signed(shop)
    seed = b"the key that was before this one"
    older = note.sign(text.split("\n\n")[0] + "\n", shop.core.signer.key.name, seed)
    async with shop.database.transaction() as tx:
        await stamps.add(tx, made(size, older))
    async with shop.database.snapshot() as tx:
        assert await log.latest_checkpoint(tx) == (size, text)
        assert await best_checkpoint(tx, 0, shop.core.signer.key) == (size, text, [])
