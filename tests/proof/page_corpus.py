"""Good and broken files for two verifiers that must agree: the command's and the page's.

Each case is a file and the key that it is checked with. Nothing here says what is right: the
command does (its own tests hold it to that).
"""

import base64
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, NamedTuple

from small_log import (
    ANNA,
    ANNA_LEFT,
    AT,
    BORIS,
    ERASURE,
    GONE,
    KEY,
    LOG,
    ORIGIN,
    SEED,
    TEXT,
    THIEF,
    Line,
    Sealed,
    consent,
    files_of,
    head_of,
    line,
    notice_facts,
    packed,
    published,
    root_of,
    signed,
)
from test_proof_file import FALSE_LINES, PROOF, proof_of, with_extra
from test_tampering import (
    FALSE_LOGS,
    FILES,
    PAGES,
    edited,
    lines_of,
    openings,
    signed_listing,
    swap,
)

from bot.proof import (
    archive,
    bundle,
    canonical,
    checkpoint,
    delivery,
    entry,
    key_change,
    merkle,
    note,
)
from bot.proof.checkpoint import Checkpoint
from bot.proof.key_change import LostLog


class Case(NamedTuple):
    """A file, and the key to check it with."""

    data: bytes
    key: note.VerifierKey | None = KEY


def small(files: Mapping[str, bytes], seed: bytes = SEED) -> bytes:
    """Pack a bundle with short pages; the operator signs it again."""
    return packed(signed({**files, **PAGES}, seed))


# --- logs with sends and with changes of keys -------------------------------------------------

WHO, OTHER = "a" * 32, "b" * 32
YES = consent(1, "granted", WHO, TEXT, expires="2026-11-24T12:50:00.000Z")
ALSO = consent(2, "granted", OTHER, TEXT, account="1002")
NO = consent(3, "withdrawn", OTHER, TEXT, previous=ALSO)


def sent(number: int, who: Line, minute: int, **facts: Any) -> Sealed:
    about = {
        "campaign": "c" * 32,
        "consent_entry": who.id,
        "delivery": f"{number:022}",
        "message_id": str(number),
        "occurrence": "e" * 32,
        "purpose": "news",
        "state": "sent",
        "subject": who.payload["subject"],
        "time": f"2026-11-24T12:{minute:02}:30.000Z",
        **facts,
    }
    return Sealed(payload={name: value for name, value in about.items() if value is not None})


def sealed(number: int, *sends: Sealed, **facts: Any) -> Line:
    counts: dict[str, int] = {}
    for each in sends:
        counts[each.payload["state"]] = counts.get(each.payload["state"], 0) + 1
    payload = {
        "campaign": "c" * 32,
        "counts": counts,
        "occurrence": "e" * 32,
        "purpose": "news",
        "root": merkle.root(each.leaf for each in sends).hex(),
        "size": len(sends),
        **facts,
    }
    return line(number, "occurrence.sealed", payload, deliveries=sends)


SEALED_AT = AT + timedelta(minutes=57)


def ran(number: int, *sends: Sealed, **facts: Any) -> Line:
    """Seal an occurrence that ran from 12:00 to 12:56."""
    times = {"started": "2026-11-24T12:00:00.000Z", "ended": "2026-11-24T12:56:00.000Z"}
    return replace(sealed(number, *sends, **{**times, **facts}), at=SEALED_AT)


HONEST_SENDS = (
    sent(1, YES, 10),
    sent(2, ALSO, 2, state="uncertain", message_id=None),
    sent(3, ALSO, 3, state="suppressed", reason="withdrawn", message_id=None),
    sent(4, YES, 10, subject=None, consent_entry=None, message_id=None),
)
GONE_ONE = line(50, "subject.erased", {"erasure": "00"})
SENDERS = (TEXT, YES, ALSO, NO, GONE_ONE)
SENT_LOG = (*SENDERS, sealed(60, *HONEST_SENDS), sealed(61, occurrence="f" * 32))
FALSE_SENDS = {
    "after the end": (sent(1, ALSO, 30),),
    "while leaving": (sent(1, ALSO, 3),),
    "after the expiry": (sent(1, YES, 55),),
    "before the consent": (sent(1, YES, 0),),
    "doubt after the end": (sent(1, ALSO, 30, state="uncertain"),),
    "on a withdrawal": (sent(1, ALSO, 5, consent_entry=NO.id),),
    "on a text": (sent(1, ALSO, 5, consent_entry=TEXT.id),),
    "on nothing": (sent(1, YES, 10, consent_entry=None),),
    "on an unknown entry": (sent(1, YES, 10, consent_entry="f" * 32),),
    "on another person's consent": (sent(1, YES, 10, consent_entry=ALSO.id),),
    "of another purpose": (sent(1, YES, 10, purpose="other"),),
    "of another campaign": (sent(1, YES, 10, campaign="d" * 32),),
    "out of order": (sent(2, YES, 10), sent(1, YES, 10)),
    "twice": (sent(1, YES, 10), sent(1, YES, 10)),
    "in no form": (sent(1, YES, 10, more="x"),),
    "at no time": (sent(1, YES, 10, time="today"),),
    "on a day that never was": (sent(1, YES, 10, time="2026-11-31T12:10:30.000Z"),),
    "before the start": (sent(1, YES, 10, time="2026-11-24T11:58:59.999Z"),),
    "at the start": (sent(1, YES, 10, time="2026-11-24T11:59:00.000Z"),),
    "after the seal": (sent(1, YES, 10, time="2026-11-24T12:58:00.001Z"),),
    "at the seal": (sent(1, ALSO, 58, time="2026-11-24T12:58:00.000Z"),),
    "doubt after the seal": (sent(1, YES, 59, state="uncertain"),),
}
FALSE_SEALS: dict[str, dict[str, Any]] = {
    "size": {"size": 3},
    "no size": {"size": None},
    "root": {"root": "0" * 64},
    "counts": {"counts": {"sent": 4}},
    "counts in no form": {"counts": {"sent": "4"}},
    "no counts": {"counts": None},
    "purpose": {"purpose": "other"},
    "start": {"started": "2026-11-24"},
    "start that never was": {"started": "2026-11-24T24:00:00.000Z"},
    "start of no text": {"started": 7},
    "end": {"ended": "2026-11-24T12:60:00.000Z"},
    "no start": {"started": None},
}

NO_TIMES = (
    "2026-02-29T12:00:00.000Z",
    "2026-11-31T12:00:00.000Z",
    "2026-13-01T12:00:00.000Z",
    "2026-00-01T12:00:00.000Z",
    "2026-11-00T12:00:00.000Z",
    "2026-11-24T24:00:00.000Z",
    "2026-11-24T12:60:00.000Z",
    "2026-11-24T12:00:60.000Z",
    "0000-11-24T12:00:00.000Z",
)
"""In the form of a time, and on no calendar or clock."""
REAL_TIMES = ("2024-02-29T23:59:59.999Z", "2000-02-29T00:00:00.000Z", "0001-01-01T00:00:00.000Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated(Line):
    """A line whose entry says a time that no clock can show."""

    time: str

    @property
    def entry(self) -> entry.Entry:
        built = entry.build(
            entry_type=self.type,
            entry_id=self.id,
            at=AT,
            commitment=entry.commitment(self.salt, self.payload),
        )
        hashed = built.replace(entry.rfc3339(AT).encode(), self.time.encode())
        facts = canonical.parse(hashed)
        return entry.Entry(self.type, self.id, self.time, facts["commit"], hashed)


def dated(each: Line, time: str) -> Line:
    return Dated(
        type=each.type, payload=each.payload, id=each.id, salt=each.salt, at=each.at, time=time
    )


def closed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Close every delivery, as the operator can."""
    lines = []
    for raw in files[bundle.DELIVERIES].splitlines():
        facts = canonical.parse(raw)
        if "payload" in facts:
            leaf = delivery.leaf(bytes.fromhex(facts["salt"]), facts["payload"])
            facts = {"index": facts["index"], "leaf": leaf.hex()}
        lines.append(canonical.canonical_bytes(facts) + b"\n")
    return {**files, bundle.DELIVERIES: b"".join(lines)}


NEW_SEED = b"new".ljust(32, b".")
NEW_KEY = note.verifier_key(ORIGIN, NEW_SEED)


def handing_over(number: int, text: str | None = None, **facts: Any) -> Line:
    text = key_change.text(NEW_KEY, None) if text is None else text
    payload = {
        "new": str(NEW_KEY),
        "note": note.sign(text, ORIGIN, SEED),
        "old": str(KEY),
        "software": "assent",
        **facts,
    }
    return line(number, "key.changed", payload)


def checkpoint_line(size: int, signed_note: str) -> bytes:
    return canonical.canonical_bytes({"note": signed_note, "size": size}) + b"\n"


def rotated(change: Line, *, early: bytes = SEED, late: bytes = NEW_SEED) -> bytes:
    lines = (TEXT, ANNA, change, BORIS)
    earlier = b"".join(
        checkpoint_line(size, head_of(lines[:size], seed)) for size, seed in ((2, early), (3, late))
    )
    return small({**files_of(lines, seed=NEW_SEED), bundle.CHECKPOINTS: earlier}, NEW_SEED)


def after_loss(lost: LostLog) -> bytes:
    """Return the bundle of a log that went on under a new origin."""
    origin = f"{ORIGIN}/2"
    key = note.verifier_key(origin, NEW_SEED)
    about = {
        "lost": {
            "agreed": lost.agreed,
            "origin": lost.origin,
            "root": lost.root.hex(),
            "size": lost.size,
        }
    }
    change = handing_over(6, key_change.text(key, lost), new=str(key), **about)
    lines = (*LOG[:3], change, BORIS_AGAIN)
    head = Checkpoint(origin=origin, size=len(lines), root=root_of(lines))
    listed = {
        **files_of(lines),
        **PAGES,
        bundle.CHECKPOINT: checkpoint.sign(head, NEW_SEED).encode(),
        bundle.KEY: f"{key}\n".encode(),
        bundle.CHECKPOINTS: checkpoint_line(2, head_of(lines[:2])),
    }
    files = {
        name: {"size": len(listed[name]), "sha256": hashlib.sha256(listed[name]).hexdigest()}
        for name in bundle.LISTED
    }
    told = {**canonical.parse(listed[bundle.MANIFEST]), "files": files, "origin": origin}
    manifest = canonical.canonical_bytes(told)
    text = bundle.manifest_text(origin, manifest)
    signature = note.sign(text, origin, NEW_SEED).encode()
    return packed({**listed, bundle.MANIFEST: manifest, bundle.MANIFEST_NOTE: signature})


BORIS_AGAIN = consent(7, "granted", "boris", TEXT, account="1002", previous=BORIS)
POST = {
    "channel": "@tea",
    "date": "2026-11-24T12:10:00Z",
    "kind": "post",
    "message_id": "7",
    "size": 2,
}


# --- the cases --------------------------------------------------------------------------------


def good_bundles() -> Iterator[tuple[str, Case]]:
    for name, selection in {
        "everything": {},
        "a period": {"from": ANNA_LEFT.entry.time},
        "until": {"to": BORIS.entry.time},
        "a purpose": {"purpose": "news"},
        "another purpose": {"purpose": "other"},
        "public": {"form": "public"},
    }.items():
        yield name, Case(small(files_of(selection=selection)))
        sends = files_of(SENT_LOG, selection=selection)
        yield f"{name}, with sends", Case(small(sends))
    yield "a person", Case(small(files_of(SENT_LOG, selection={"subjects": WHO})))
    yield "the key in the file", Case(small(FILES), None)
    yield "one text", Case(small(files_of((TEXT,))))
    yield "nothing", Case(small(files_of(())))
    yield "the page as it is", Case(packed(FILES))
    earlier = files_of(checkpoints=(1, 2, 5))
    posted = canonical.canonical_bytes(POST) + b"\n"
    yield "checkpoints", Case(small(earlier))
    yield "a post", Case(small({**earlier, bundle.STAMPS: posted}))
    yield "many", Case(small(files_of((TEXT, *many_answers(300)))))
    for key in (KEY, NEW_KEY, None):
        yield f"a change of keys, {key}", Case(rotated(handing_over(9)), key)
    lost = LostLog(origin=ORIGIN, size=6, root=root_of(LOG), agreed=4)
    yield "a loss", Case(after_loss(lost))
    odd = ANNA.saying(source='=1,"two"\r\nthree', method="\u00e9\u2028 -", expires="+1")
    yield "odd cells", Case(small(files_of((TEXT, odd))))
    nested = {"b'": [1, None, True, "it's\n\u200b"], "10": {}, "2": "\\"}
    for value in (nested, None, True, 7, [], ["'\""]):
        strange = ANNA.saying(update_id=value)
        yield f"a cell of {value}", Case(small(files_of((TEXT, strange))))


def many_answers(count: int) -> Iterator[Line]:
    for number in range(1, count):
        yield replace(consent(1, "granted", f"{number:032x}", TEXT), id=f"{number:032x}")


def broken_bundles() -> Iterator[tuple[str, Case]]:
    for name, (lines, _) in FALSE_LOGS.items():
        yield name, Case(small(files_of(lines)))
    for name, sends in FALSE_SENDS.items():
        yield f"a send {name}", Case(small(files_of((*SENDERS, ran(4, *sends)))))
    for name, facts in FALSE_SEALS.items():
        yield (
            f"a seal with another {name}",
            Case(small(files_of((*SENDERS, ran(4, *HONEST_SENDS, **facts))))),
        )
    yield from closures()
    yield from false_times()
    yield from false_consents()
    yield from changed_tables()
    yield from changed_lines()
    yield from changed_manifests()
    yield from changed_keys()
    yield from changed_archives()


NOBODY = {"subject": None, "consent_entry": None, "message_id": None}


def closures() -> Iterator[tuple[str, Case]]:
    """What is closed, with and without an entry that explains it."""
    swept = line(9, "staff.privacy_swept", {"rows": 1})
    added = line(9, "staff.added", {"account": "1"})
    gone = consent(3, "withdrawn", OTHER, TEXT, previous=ALSO, is_erased=True)
    for name, lines in {
        "closed": (TEXT, YES, ALSO, gone),
        "closed, then another entry": (TEXT, YES, ALSO, gone, added),
        "closed, then an erasure": (TEXT, YES, ALSO, gone, ERASURE),
        "closed, then a sweep": (TEXT, YES, ALSO, gone, swept),
        "closed after an erasure": (TEXT, YES, ALSO, ERASURE, gone),
        "closed before and after": (TEXT, YES, replace(ALSO, is_erased=True), ERASURE, gone),
    }.items():
        for selection in ({}, {"purpose": "news"}, {"form": "public"}):
            data = small(files_of(lines, selection=selection))
            yield f"{name}, {selection}", Case(data)
    sends = (sent(1, YES, 10), sent(2, ALSO, 2))
    seal = ran(4, *sends)
    for name, lines in {
        "without an erasure": (TEXT, YES, ALSO, NO, seal),
        "before an erasure": (TEXT, YES, ALSO, NO, seal, ERASURE),
        "before a sweep": (TEXT, YES, ALSO, NO, seal, swept),
        "after an erasure": (TEXT, YES, ALSO, NO, ERASURE, seal),
    }.items():
        for selection in ({}, {"subjects": WHO}, {"form": "public"}):
            files = files_of(lines, selection=selection)
            yield f"closed sends {name}, {selection}", Case(small(closed(files)))
            unlisted = {**files, bundle.DELIVERIES: b""}
            yield f"unlisted sends {name}, {selection}", Case(small(unlisted))
    for name, lines in {
        "without an erasure": (TEXT, YES, ALSO),
        "before an erasure": (TEXT, YES, ALSO),
        "after a sweep": (TEXT, YES, ALSO, swept),
        "after an erasure": (TEXT, YES, ALSO, ERASURE),
    }.items():
        rest = (ERASURE,) if name == "before an erasure" else ()
        for state in ("sent", "uncertain", "suppressed"):
            nobody = ran(5, sent(1, YES, 10, state=state, **NOBODY))
            data = small(files_of((*lines, nobody, *rest)))
            yield f"{state} to nobody {name}", Case(data)
    for at in range(1, 5):  # what explains it may be what was removed
        kept = (TEXT, YES, gone, ERASURE, ran(4, sent(1, YES, 10, **NOBODY)))
        other = files_of((*kept[:at], *kept[at + 1 :]))
        leaves = files_of(kept)[bundle.LEAVES]
        yield f"{at} removed around a closure", Case(small({**other, bundle.LEAVES: leaves}))


def false_times() -> Iterator[tuple[str, Case]]:
    for time in (*NO_TIMES, *REAL_TIMES):
        yield f"an entry of {time}", Case(small(files_of((TEXT, YES, dated(ALSO, time)))))
        yield f"made at {time}", Case(packed(signed(FILES | PAGES, created=time)))
        for end in ("from", "to"):
            chosen = {end: time}
            yield f"{end} {time}", Case(packed(signed(FILES | PAGES, selection=chosen)))
        until = consent(1, "granted", WHO, TEXT, expires=time)
        yield f"expires {time}", Case(small(files_of((TEXT, until))))
        sends = (TEXT, until, ran(4, sent(1, until, 10)))
        yield f"a send, expires {time}", Case(small(files_of(sends)))
        seal = ran(4, sent(1, YES, 10, time=time))
        yield f"a send of {time}", Case(small(files_of((TEXT, YES, seal))))
        for name in ("started", "ended"):
            seal = ran(4, sent(1, YES, 10), **{name: time})
            yield f"{name} {time}", Case(small(files_of((TEXT, YES, seal))))
        post = canonical.canonical_bytes({**POST, "date": time}) + b"\n"
        files = {**files_of(checkpoints=(1, 2, 5)), bundle.STAMPS: post}
        yield f"a post of {time}", Case(small(files))


def false_consents() -> Iterator[tuple[str, Case]]:
    notice = published(0, notice_facts(kind="processing"))
    allowed = consent(1, "granted", WHO, notice)
    for state in ("sent", "uncertain", "suppressed", "failed"):
        seal = ran(4, sent(1, allowed, 10, state=state))
        yield f"{state} under processing", Case(small(files_of((notice, allowed, seal))))
    for event in ("granted", "confirmed", "refused", "withdrawn", "imported"):
        told = consent(1, event, WHO, TEXT, method="import", shown=None, shown_sha256=None)
        yield f"{event} by import", Case(small(files_of((TEXT, told))))
        seal = ran(4, sent(1, told, 10))
        yield f"a send, {event} by import", Case(small(files_of((TEXT, told, seal))))
    first, again = ran(4, sent(1, YES, 10)), ran(5, sent(2, YES, 11))
    yield "an occurrence sealed twice", Case(small(files_of((TEXT, YES, first, again))))
    for occurrence in ("e" * 32, "f" * 32):
        again = ran(5, sent(1, YES, 11, occurrence=occurrence), occurrence=occurrence)
        data = small(files_of((TEXT, YES, first, again)))
        yield f"a delivery in two seals, {occurrence}", Case(data)
    third = ran(6, sent(1, YES, 11, occurrence="d" * 32), occurrence="d" * 32)
    again = ran(5, sent(1, YES, 11, occurrence="f" * 32), occurrence="f" * 32)
    data = small(files_of((TEXT, YES, first, again, third)))
    yield "a delivery in three seals", Case(data)
    for started in ("12:02:59", "12:03:00", "12:03:01"):
        doubt = sent(1, ALSO, 30, state="uncertain", message_id=None)
        seal = ran(4, doubt, started=f"2026-11-24T{started}.000Z")
        data = small(files_of((*SENDERS, seal)))
        yield f"doubt, started at {started}", Case(data)
    doubt = sent(1, YES, 55, state="uncertain", message_id=None)
    for started in ("12:49:59", "12:50:00", "12:50:01"):
        seal = ran(4, doubt, started=f"2026-11-24T{started}.000Z")
        yield f"doubt after expiry, started {started}", Case(small(files_of((TEXT, YES, seal))))


def changed_lines() -> Iterator[tuple[str, Case]]:
    """Lines that are left out, doubled or moved, though the operator signs again."""
    base = files_of(SENT_LOG, checkpoints=(2, 4))
    for name in (*bundle.STREAMED, bundle.LEAVES):
        data = base[name]
        lines = data.splitlines(keepends=True)
        if name == bundle.LEAVES:
            lines = [data[at : at + 32] for at in range(0, len(data), 32)]
        for at in range(len(lines)):
            for how, changed in {
                "left out": [*lines[:at], *lines[at + 1 :]],
                "doubled": [*lines[:at], lines[at], *lines[at:]],
                "moved": [*lines[:at], *lines[at + 1 :], lines[at]],
                "spaced": [*lines[:at], lines[at].replace(b":", b": ", 1), *lines[at + 1 :]],
            }.items():
                yield f"{name} {at} {how}", Case(small({**base, name: b"".join(changed)}))
        yield f"{name} empty", Case(small({**base, name: b""}))
        yield f"{name} cut", Case(small({**base, name: data[:-1]}))
    for name, lines_ in {
        "removed": (*LOG[:2], *LOG[3:]),
        "removed twice": (LOG[0], LOG[2], *LOG[4:]),
        "cut": LOG[:3],
        "reordered": (TEXT, BORIS, ANNA, GONE, ERASURE, ANNA_LEFT),
        "exchanged": (*LOG[:2], consent(2, "granted", "boris", TEXT), *LOG[3:]),
        "added": (*LOG, consent(6, "granted", "boris", TEXT, previous=BORIS)),
        "added within": (*LOG[:3], consent(6, "granted", "dora", TEXT), *LOG[3:]),
    }.items():
        other = lines_of(lines_)
        yield f"entries {name}", Case(small(other))
        kept = {**other, bundle.LEAVES: FILES[bundle.LEAVES]}
        yield f"entries {name}, leaves kept", Case(small(kept))


ODD_LINES = (
    b"[" * 100_000,
    b'{"a":1.0}',
    b'{"a":1e0}',
    b'{"a":-0}',
    b'{"a":9007199254740993}',
    b'{"a":1,"a":1}',
    b'{"b":1,"a":1}',
    b'{"a":"\\ud800"}',
    b'{"a":"\\u0041"}',
    b'{"a":"\xed\xa0\x80"}',
    b"\xef\xbb\xbf{}",
    b'{"a":NaN}',
    b"{} ",
    b"\xff",
    b"",
    b"null",
    '{"\U0001f600":1,"\uffee":1}'.encode(),
)


def changed_tables() -> Iterator[tuple[str, Case]]:
    for name in ("payload", "salt", "index"):
        for value in (None, "x", [], {}, True, 7, -1, "AB" * 32):
            change = openings(lambda found, n=name, v=value: found[1].update({n: v}))  # type: ignore[misc]
            yield f"{name} {value}", Case(small(change))
    for name in ("payload", "salt"):
        yield f"{name} swapped", Case(small(openings(swap(name))))
    for value in ODD_LINES:
        for name in (bundle.NOTICES, bundle.PAYLOADS, bundle.ENTRIES, bundle.STAMPS, bundle.CSV):
            case = edited(name, lambda lines, v=value: [*lines[:1], v + b"\n", *lines[1:]])  # type: ignore[misc]
            yield f"{name} with {value[:30]!r}", Case(small(case))
    for junk in (b"\n", b"x\n", b"\xff\xfe\n", b'"\n', b"0,x\n", b"99,x\n", b"no line end"):
        for name in (bundle.CSV, bundle.JSONL, bundle.LEAVES, bundle.DELIVERIES):
            yield f"{name} with {junk!r}", Case(small({**FILES, name: FILES[name] + junk}))
    hidden = FILES[bundle.CSV].replace("Ã".encode(), b"\xff").replace(b"refused", b"ref\xffsed")
    yield "a cell that is not UTF-8", Case(small({**FILES, bundle.CSV: hidden}))


def changed_manifests() -> Iterator[tuple[str, Case]]:
    for selection in (
        None,
        [],
        "all",
        {"from": 1},
        {"from": "2026"},
        {"to": ""},
        {"purpose": None},
        {"who": "x"},
        {"subjects": ""},
        {"subjects": f"{OTHER} {WHO}"},
        {"form": "x"},
        {"subjects": WHO},
        {"form": "public", "purpose": "news"},
        {"to": BORIS.entry.time},
        {"form": "public"},
    ):
        yield f"selection {selection}", Case(packed(signed(FILES | PAGES, selection=selection)))
    for facts in (
        {"origin": "other"},
        {"origin": None},
        {"more": 1},
        {"size": 5},
        {"size": "6"},
        {"created": "x"},
        {"format": "assent-bundle/2"},
        {"format": None},
    ):
        yield f"manifest {facts}", Case(packed(signed(FILES | PAGES, **facts)))
    for listed in (None, [], {}, {"a": 1}):
        yield f"files {listed}", Case(packed(signed_listing(listed) | PAGES))
    posts: tuple[dict[str, Any], ...] = (
        {"size": 3},
        {"size": "2"},
        {"kind": "else"},
        {"kind": None},
        {"date": "today"},
        {"more": 1},
    )
    earlier = files_of(checkpoints=(1, 2, 5))
    for changes in posts:
        data = canonical.canonical_bytes(POST | changes) + b"\n"
        yield f"post {changes}", Case(small({**earlier, bundle.STAMPS: data}))


def changed_keys() -> Iterator[tuple[str, Case]]:
    forged = files_of(seed=THIEF)
    thief = note.verifier_key(ORIGIN, THIEF)
    for key in (KEY, thief, None):
        yield f"a thief's, {key}", Case(small(forged, THIEF), key)
        for name in (bundle.CHECKPOINT, bundle.MANIFEST, bundle.MANIFEST_NOTE, bundle.KEY):
            yield (
                f"a thief's {name}, {key}",
                Case(packed({**FILES, name: forged[name]} | PAGES), key),
            )
    yield "renamed", Case(small(FILES), note.verifier_key("other", SEED))
    yield "another head", Case(small({**FILES, bundle.CHECKPOINT: head_of(LOG[:5]).encode()}))
    other = handing_over(9, key_change.text(KEY, None))
    yield "another change", Case(rotated(other))
    yield "a change without a note", Case(rotated(handing_over(9, note="x")))
    yield "a change to no key", Case(rotated(handing_over(9, new="x")))
    yield "a change from another", Case(rotated(handing_over(9, old=str(NEW_KEY))))
    yield "a change with a loss", Case(rotated(handing_over(9, lost={"size": 1})))
    yield "an old checkpoint by the new", Case(rotated(handing_over(9), early=NEW_SEED))
    yield "a new checkpoint by the old", Case(rotated(handing_over(9), late=SEED))
    again = handing_over(10)  # by the key that handed over before
    twice = files_of((TEXT, handing_over(9), again), seed=NEW_SEED)
    yield "two changes by one key", Case(small(twice, NEW_SEED))
    yield "no change", Case(small(files_of((TEXT, ANNA), seed=NEW_SEED), NEW_SEED))
    for size in (2, 7):
        lost = LostLog(origin=ORIGIN, size=size, root=bytes(32), agreed=min(size, 4))
        yield f"a loss of {size}", Case(after_loss(lost))
    yield (
        "a loss of another",
        Case(after_loss(LostLog(origin="x", size=6, root=bytes(32), agreed=4))),
    )
    forked = files_of(checkpoints=(1, 2))
    fork = checkpoint_line(2, head_of((TEXT, BORIS)))
    yield "a fork", Case(small({**forked, bundle.CHECKPOINTS: fork}))
    yield (
        "a false size",
        Case(small({**forked, bundle.CHECKPOINTS: checkpoint_line(1, head_of(LOG[:2]))})),
    )


def with_gaps(files: Mapping[str, bytes], gap: bytes, crc_change: int = 0) -> bytes:
    """Pack files with something before each, or with other checksums than theirs."""
    pieces, members, at = [], [], 0
    for name, data in sorted(files.items()):
        crc = zlib.crc32(data) ^ crc_change
        member = archive.Member(name=name, crc=crc, size=len(data), header_at=at + len(gap))
        pieces += [gap, member.local_header(), data]
        members.append(member)
        at = member.content_at + member.size
    return b"".join([*pieces, archive._directory(members, at)])


def changed_archives() -> Iterator[tuple[str, Case]]:
    data = small(FILES)
    yield "another checksum", Case(with_gaps(signed(FILES | PAGES), b"", 1))
    yield "gaps", Case(with_gaps(signed(FILES | PAGES), b"x"))
    members = signed(FILES | PAGES)
    witness = note.sign("x\n", "witness", THIEF).split("\n\n")[1].encode()
    more = {bundle.MANIFEST_NOTE: members[bundle.MANIFEST_NOTE] + witness}
    yield "another signature", Case(packed(members | more))
    sends = signed(files_of(SENT_LOG) | PAGES, selection={"to": ALSO.entry.time})
    yield "more sends than chosen", Case(packed(sends))
    yield "a byte more", Case(data + b"\0")
    yield "a byte before", Case(b"\0" + data)
    yield "a comment", Case(data[:-2] + b"\1\0x")
    for end in (0, 1, 2, 22, 100, len(data) // 2, len(data) - 1):
        yield f"{end} bytes", Case(data[:end])
    files = {**FILES, **PAGES}
    for name in sorted(files):
        yield f"without {name}", Case(packed({key: files[key] for key in files if key != name}))
    yield "one more", Case(packed({**files, "more": b""}))
    yield "no form of a name", Case(packed({**files, "\u00e9": b""}))


def proofs() -> Iterator[tuple[str, Case]]:
    for each in (ANNA, BORIS, ANNA_LEFT):
        yield f"proof of {each.id}", Case(proof_of(each))
    yield "own key", Case(PROOF, None)
    yield "thief's key", Case(PROOF, note.verifier_key(ORIGIN, THIEF))
    for name, each in {
        "a consent by import": ANNA.saying(method="import"),
        "an import": replace(
            ANNA.saying(event="imported", method="import"), type="consent.imported"
        ),
        "a time that never was": dated(ANNA, NO_TIMES[0]),
    }.items():
        yield name, Case(proof_of(each, (TEXT, each, BORIS)))
    for name, false in FALSE_LINES.items():
        yield name, Case(proof_of(false, (TEXT, false, BORIS)))
    values: tuple[Any, ...] = (None, "x", "", [], {}, 7, True, [{}], f" {KEY}", "\u00e9", "ab" * 32)
    for name in ("entry", "salt", "payload", "notice", "key", "stamps", "more"):
        for value in values:
            yield f"{name} {value!r}", Case(with_extra(PROOF, **{name: value}))
    for token in ("", "AA==", "AB==", "A", "AA", "?", 7):
        stamp = {"authority": "http://tsa", "kind": "rfc3161", "token": token}
        if token not in {"", "AA=="}:  # those are in form, and are not checked by the page
            yield f"stamp {token}", Case(with_extra(PROOF, stamps=[stamp]))
    yield "stamp of a kind", Case(with_extra(PROOF, stamps=[{**stamp, "kind": "x"}]))
    capital = Line(type=ANNA.type, payload=ANNA.payload, id=ANNA.id, salt=b"\xab" * 32, at=ANNA.at)
    proof = proof_of(capital, (TEXT, capital))
    yield "a salt", Case(proof)
    yield "a salt in capitals", Case(with_extra(proof, salt="AB" * 32))
    for number in (b"7", b"7.5", b"1e+21", b"-0", b"9007199254740993", b"9007199254740991"):
        yield f"an honest {number!r}", Case(proof_saying(number))
    yield from rewritten_proofs()
    yield from checkpoints_and_pages()


def proof_saying(number: bytes) -> bytes:
    """Return the proof of an operator who committed to these very bytes."""
    marked = ANNA.saying(update_id="NUMBER")
    payload = canonical.canonical_bytes(marked.payload).replace(b'"NUMBER"', number)
    hashed = entry.build(
        entry_type=ANNA.type,
        entry_id=ANNA.id,
        at=ANNA.at,
        commitment=entry.commitment_to(ANNA.salt, payload),
    )
    leaves = [TEXT.entry.leaf, merkle.leaf_hash(hashed)]
    head = Checkpoint(origin=ORIGIN, size=2, root=merkle.root(leaves))
    proof = proof_of(
        marked,
        (TEXT, marked),
        hashed=hashed,
        path=[leaves[0]],
        checkpoint=checkpoint.sign(head, SEED),
    )
    header, extra, rest = proof.split(b"\n", 2)
    told = base64.b64decode(extra.removeprefix(b"extra ")).replace(b'"NUMBER"', number)
    return b"\n".join([header, b"extra " + base64.b64encode(told), rest])


def rewritten_proofs() -> Iterator[tuple[str, Case]]:
    head, middle, rest = PROOF.split(b"\n", 2)
    extra = base64.b64decode(middle.removeprefix(b"extra "))
    for name, changed in {
        "spaces": extra.replace(b":", b": ", 1),
        "doubled key": extra.replace(b'"key":', b'"key":"","key":', 1),
        "a float": extra.replace(b'"update_id":7', b'"update_id":7.0'),
        "a large number": extra.replace(b'"update_id":7', b'"update_id":9007199254740993'),
        "an escape": extra.replace(b"Tea", b"\\u0054ea"),
        "a lone surrogate": extra.replace(b"Tea", b"\\ud800ea"),
        "a mark": b"\xef\xbb\xbf" + extra,
    }.items():
        coded = b"extra " + base64.b64encode(changed)
        yield name, Case(b"\n".join([head, coded, rest]))
    for name, changed in {
        "index 01": PROOF.replace(b"\nindex 1\n", b"\nindex 01\n"),
        "index 2": PROOF.replace(b"\nindex 1\n", b"\nindex 2\n"),
        "index large": PROOF.replace(b"\nindex 1\n", b"\nindex 1000000000000000000\n"),
        "index arabic": PROOF.replace(b"\nindex 1\n", "\nindex ١\n".encode()),
        "returns": PROOF.replace(b"\n", b"\r\n"),
        "trailing": PROOF + b"\n",
        "unused bits": PROOF.replace(b"=\n", b"\n", 1),
        "long": PROOF + bytes(1_000_000),
        "header": PROOF.replace(b"@v1", b"@v2"),
    }.items():
        yield name, Case(changed)
    for end in range(0, len(PROOF), 97):
        yield f"{end} bytes of a proof", Case(PROOF[:end])


def checkpoints_and_pages() -> Iterator[tuple[str, Case]]:
    yield "a checkpoint", Case(head_of(LOG).encode())
    yield "a checkpoint without a key", Case(head_of(LOG).encode(), None)
    yield "a thief's checkpoint", Case(head_of(LOG, THIEF).encode())
    for coded in (b"", b"x", base64.b64encode(PROOF), base64.b64encode(PROOF)[:-1]):
        page = b'<!doctype html><script type="application/octet-stream" id="embedded-proof">'
        yield f"a page with {coded[:9]!r}", Case(page + coded + b"</script>")
        yield f"two in a page {coded[:9]!r}", Case((page + coded + b"</script>") * 2)


def cases() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for kind in (good_bundles, broken_bundles, proofs):
        for name, case in kind():
            found[f"{kind.__name__}: {name}"] = case
    return found


# --- files that are held against each other ---------------------------------------------------

LAST_SEED = b"last".ljust(32, b".")
LAST_ORIGIN = f"{ORIGIN}/2"
LAST_KEY = note.verifier_key(LAST_ORIGIN, LAST_SEED)


def loss_by(seed: bytes, size: int) -> Line:
    """The holder of a key says that a log of this size was lost, and goes on under another name."""
    lost = LostLog(origin=ORIGIN, size=size, root=b"\1" * 32, agreed=0)
    facts = {
        "lost": {"agreed": 0, "origin": ORIGIN, "root": lost.root.hex(), "size": size},
        "new": str(LAST_KEY),
        "note": note.sign(key_change.text(LAST_KEY, lost), ORIGIN, seed),
        "old": str(note.verifier_key(ORIGIN, seed)),
        "software": "assent",
    }
    return line(10, "key.changed", facts)


def continued(*lines: Line) -> bytes:
    return packed(files_of(lines, seed=LAST_SEED, origin=LAST_ORIGIN))


def pairs() -> dict[str, tuple[bytes, bytes]]:
    """Two files each, that hold by themselves."""
    left, whole, other = proof_of(ANNA_LEFT), small(files_of()), "other.example/log"
    fresh = small(files_of((TEXT, ANNA, BORIS), seed=NEW_SEED), NEW_SEED)
    strange = packed(files_of((TEXT, ANNA, BORIS), origin=other))
    handed = small(files_of((*LOG, handing_over(8)), seed=NEW_SEED), NEW_SEED)
    again = handing_over(8)
    later = (*LOG, again, BORIS_AGAIN)
    # The key had changed at entry 6 before the end was lost; the change is written again at 3.
    went_on = continued(*LOG[:3], again, loss_by(NEW_SEED, 8), BORIS_AGAIN)
    found = {
        "a proof, a log of a fresh key": (left, fresh),
        "a bundle, a log of a fresh key": (whole, fresh),
        "a proof, a log of another": (left, strange),
        "a bundle, a log of another": (whole, strange),
        "a proof, a log that was handed over": (left, handed),
        "a bundle, a log that was handed over": (whole, handed),
        "a proof of the new key, a log of the old": (
            proof_of(ANNA, later, checkpoint=head_of(later, NEW_SEED), key=NEW_KEY),
            whole,
        ),
    }
    for name, one in {
        "a lost proof": left,
        "a lost bundle": whole,
        "a lost bundle of the new key": handed,
        "a kept proof": proof_of(ANNA, LOG[:3]),
        "a kept bundle": small(files_of(LOG[:3])),
        "a bundle up to the change": small(files_of(LOG[:5])),
        "another log": small(files_of((TEXT, BORIS, ANNA))),
        "another log, lost": small(files_of((TEXT, BORIS, ANNA, *LOG[3:]))),
    }.items():
        found[f"{name}, and a log after a change and a loss"] = (one, went_on)
        for size in (4, 5, 6):
            after = continued(*LOG[:3], loss_by(SEED, size), BORIS_AGAIN)
            found[f"{name}, and a log after a loss of {size}"] = (one, after)
    longer = continued(*LOG[:3], again, loss_by(NEW_SEED, 5), BORIS_AGAIN)
    found["more than is said to be lost"] = (whole, longer)
    found["a proof of more than is said to be lost"] = (left, longer)
    return found
