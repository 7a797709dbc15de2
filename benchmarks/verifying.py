"""What it costs to verify a bundle, against hashing and parsing the same file and nothing else.

Both run in a process of their own, in turn, so that the memory of each is its own. The baseline
reads the file in pieces, hashes it, and parses each line of its JSON and CSV members.
"""

import argparse
import csv
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.proof import archive, checkpoint, entry, merkle, note, verifier
from bot.proof.bundle import Bundle, BundleWriter
from bot.proof.checkpoint import Checkpoint
from bot.proof.notice import notice_canonical, shown_sha256

EVENTS = 100_000
REPETITIONS = 5
ORIGIN = "bench/shop"
SEED = bytes(range(32))
START = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = "A text of some length, as people are shown it before they answer. " * 3
SHOWN = {"text": TEXT, "entities": [], "buttons": ["Agree", "Decline", "Full text"]}


def main(events: int = EVENTS, repetitions: int = REPETITIONS) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.zip"
        write(path, events)
        megabytes = path.stat().st_size / 1e6
        print(
            f"\nVerifying: a bundle of {events} events, {megabytes:.0f} MB\n"
            "  baseline: SHA-256 of the file, json.loads and csv.reader of its lines; "
            f"{repetitions} interleaved repetitions, processor time"
        )
        found: dict[str, list[tuple[float, int]]] = {"ours": [], "baseline": []}
        for _ in range(repetitions):
            for name, runs in found.items():
                runs.append(_measured(name, path))
        for name, runs in found.items():
            peak = max(kib for _, kib in runs) / 1000
            print(f"  {name:9} {_spread([s for s, _ in runs])} s, peak {peak:.0f} MB")
        pairs = zip(found["ours"], found["baseline"], strict=True)
        print(f"  ratio     {_spread([ours[0] / base[0] for ours, base in pairs])}")


def _measured(name: str, path: Path) -> tuple[float, int]:
    command = [sys.executable, "-m", "benchmarks.verifying", "--run", name, "--file", str(path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(told[0]), int(told[1])


def _spread(values: list[float]) -> str:
    return f"min {min(values):.2f} median {statistics.median(values):.2f} max {max(values):.2f}"


# --- the two ways -----------------------------------------------------------------------------


def verify(path: Path) -> None:
    report = verifier.verify_file(path, note.verifier_key(ORIGIN, SEED))
    assert report.ok, report.failures  # noqa: S101 a benchmark of a failure measures nothing


def hash_and_parse(path: Path) -> None:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(archive.CHUNK):
            digest.update(chunk)
        for member in archive.read(file):
            lines = archive.lines(file, member, 1_000_000)
            if member.name.endswith(".jsonl"):
                for line in lines:
                    json.loads(line)
            elif member.name.endswith(".csv"):
                for _ in csv.reader(line.decode() for line in lines):
                    pass


WAYS: dict[str, Callable[[Path], None]] = {"ours": verify, "baseline": hash_and_parse}

# --- a bundle ---------------------------------------------------------------------------------


def write(path: Path, events: int) -> None:
    """Write a bundle of events, each of a person of their own but every tenth a withdrawal."""
    edge = merkle.Frontier()
    with BundleWriter(path) as writer:
        for index, (kind, payload) in enumerate(_log(events)):
            salt = hashlib.sha256(b"salt %d" % index).digest()
            hashed = entry.build(
                entry_type=kind,
                entry_id=_id(index),
                at=START + timedelta(seconds=index),
                commitment=entry.commitment(salt, payload),
            )
            read = entry.parse(hashed)
            writer.add_leaves([read.leaf])
            is_event = kind != "notice.published"
            writer.add(index, read, salt=salt.hex(), payload=payload, in_table=is_event)
            edge.add(read.leaf)
        writer.add_notice(notice_canonical(_notice()).decode(), _id(0))
        head = Checkpoint(origin=ORIGIN, size=edge.size, root=edge.root())
        writer.finish(
            Bundle(
                origin=ORIGIN,
                created=entry.rfc3339(START),
                selection={},
                checkpoint=checkpoint.sign(head, SEED),
                key=note.verifier_key(ORIGIN, SEED),
            ),
            sign=lambda text: note.sign(text, ORIGIN, SEED),
        )


def _id(index: int) -> str:
    return hashlib.sha256(b"entry %d" % index).hexdigest()[:32]


def _notice() -> dict[str, Any]:
    return {
        "controller": {"name": "Shop"},
        "purpose": "news",
        "kind": "advertising",
        "version": 1,
        "locale": "en",
        "title": "News",
        "summary": TEXT,
        "text": TEXT * 5,
        "data": [],
        "recipients": [],
        "valid_for": None,
    }


def _log(events: int) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "notice.published", {"notice": _notice()}
    notice_sha256 = hashlib.sha256(notice_canonical(_notice())).hexdigest()
    shown = shown_sha256(SHOWN)
    for index in range(1, events + 1):
        is_leaving = index % 10 == 0
        person = index - 1 if is_leaving else index
        event = "withdrawn" if is_leaving else "granted"
        yield (
            f"consent.{event}",
            {
                "account": str(100_000_000 + person),
                "callback_id": str(10**17 + index),
                "channel": "telegram",
                "controller": {"name": "Shop", "registration": "HRB 1"},
                "event": event,
                "kind": "advertising",
                "locale": "en",
                "message_date": entry.rfc3339(START),
                "message_id": str(index),
                "method": "callback",
                "notice_entry": _id(0),
                "notice_sha256": notice_sha256,
                "notice_version": 1,
                "prompt_date": entry.rfc3339(START),
                "purpose": "news",
                "shown": SHOWN,
                "shown_sha256": shown,
                "software": "assent 0.1.0",
                "source": "poster",
                "subject": hashlib.sha256(b"person %d" % person).hexdigest()[:32],
                "update_id": str(10**8 + index),
                **({"previous": _id(person)} if is_leaving else {}),
            },
        )


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=EVENTS)
    arguments.add_argument("--repetitions", type=int, default=REPETITIONS)
    arguments.add_argument("--run", choices=WAYS)
    arguments.add_argument("--file", type=Path)
    given = arguments.parse_args()
    if given.run:
        began = time.process_time()
        WAYS[given.run](given.file)
        took = time.process_time() - began
        print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    else:
        main(given.events, given.repetitions)
